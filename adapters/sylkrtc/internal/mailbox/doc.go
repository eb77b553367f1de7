// Package mailbox keeps what accounts wrote to each other, in a store that all
// nodes of the adapter share.
//
// An account has a box, which says what waits to be delivered and what the nodes
// that it is connected to shall tell it now, and items, its history. The box is
// what nodes watch: it is small, and there is one an account. Items lie on 4096
// shelves an account, by a hash of their ids, so that one is found by its id
// without an index, and an account never leaves more than so many keys behind.
// Every change is a compare-and-set of one key; what takes two is done in an
// order in which a crash between them loses nothing that was promised. Nobody
// owns an account: whoever adds to a history that is full trims it.
//
// Content is opaque here: it is stored and handed out as it came.
package mailbox
