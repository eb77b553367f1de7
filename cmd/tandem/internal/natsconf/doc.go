// Package natsconf says what each role may do on the bus and makes the NATS
// configuration that holds it to that: an account and a key for each role, and
// the subjects by which the accounts meet.
//
// Accounts, and not permissions alone, because JetStream and every service
// answer to whatever subject a request names for its answer: within one account,
// who may ask anything can have something written anywhere. Between accounts an
// answer can only reach the account that asked.
package natsconf
