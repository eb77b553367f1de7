// Package supply says what the repository is made of besides its own code: the
// Go modules that its program is linked from, those that only tests need, and
// the npm packages that tests fetch, each with its licence.
//
// It reads what Go has downloaded already and asks nobody. It must never know
// what the dependencies are for.
package supply
