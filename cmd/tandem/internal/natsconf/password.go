package natsconf

import (
	"fmt"

	"golang.org/x/crypto/bcrypt"
)

// hashPassword gives what the server is told instead of a password. The
// passwords are random and long, so the hash need not be slow.
func hashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return "", fmt.Errorf("hashing a password: %w", err)
	}
	return string(hash), nil
}
