//go:build goolm

package e2ee

import (
	"time"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/id"
)

// Bounds of what is kept, for each user that runs a device.
const (
	maxOlmPerKey  = 4         // Olm sessions with one device of a peer
	maxOlmKeys    = 48        // devices of a peer with Olm sessions
	maxOlmBytes   = 400 << 10 // Olm sessions with one peer
	maxHashes     = 128       // remembered to-device messages of a peer
	maxPeerGroups = 64        // Megolm sessions from one peer
	maxOwnGroups  = 3         // own Megolm sessions of a room, to answer requests for keys
	maxDevices    = 256       // known devices of a peer
	maxPeerRooms  = 16        // rooms shared with one peer
	maxSeen       = 512       // remembered message indices of a Megolm session
)

// accountRecord is the device itself. Name: account.
type accountRecord struct {
	User   id.UserID   `json:"user"`
	Device id.DeviceID `json:"device"`
	Pickle string      `json:"pickle"`
	Shared bool        `json:"shared"`
	Token  string      `json:"token"`
	// Signed says what became of the device's identity: "", signed or refused.
	Signed string `json:"signed,omitempty"`
	// Signatures of the user's own keys, by signed key and signing key.
	Signatures map[id.Ed25519]map[id.Ed25519]string `json:"signatures,omitempty"`
}

// syncRecord is how far to-device messages have been read, and by whom. Name: sync.
type syncRecord struct {
	Owner string `json:"owner"`
	Next  string `json:"next"`
}

// peerRecord is what is known of another user (and of the user itself). What one
// to-device message changes is in one record, so that it is stored whole or not
// at all. Name: u/<fingerprint of the user>.
type peerRecord struct {
	User id.UserID `json:"user"`
	// Tracked: Devices has been asked for; Outdated: it has changed since.
	Tracked  bool                          `json:"tracked,omitempty"`
	Outdated bool                          `json:"outdated,omitempty"`
	Devices  map[id.DeviceID]*id.Device    `json:"devices,omitempty"`
	Sessions map[id.SenderKey][]*olmRecord `json:"sessions,omitempty"`
	// Hashes of the to-device messages read last.
	Hashes [][]byte `json:"hashes,omitempty"`
	// Rooms in which we encrypt for the user.
	Rooms []id.RoomID `json:"rooms,omitempty"`
	// Groups are the Megolm sessions that came from the user, the oldest first.
	Groups []id.SessionID `json:"groups,omitempty"`
}

// olmRecord is an Olm session.
type olmRecord struct {
	Pickle    string    `json:"pickle"`
	Created   time.Time `json:"created"`
	Encrypted time.Time `json:"encrypted"`
	Decrypted time.Time `json:"decrypted"`

	live *crypto.OlmSession
}

// groupRecord is an inbound Megolm session, or the inbound copy of an own one.
// Name: g/<session>.
type groupRecord struct {
	Room     id.RoomID    `json:"room"`
	Pickle   string       `json:"pickle"`
	Signing  id.Ed25519   `json:"signing_key"`
	Sender   id.SenderKey `json:"sender_key"`
	Chains   []string     `json:"chains,omitempty"`
	Received time.Time    `json:"received"`
	MaxAge   int64        `json:"max_age,omitempty"`
	MaxCount int          `json:"max_count,omitempty"`
	History  *bool        `json:"history,omitempty"`
	Key      id.KeySource `json:"key_source"`
	Source   id.UserID    `json:"source"`
	// Seen is which event had a message index; below Floor all were seen.
	Seen  map[uint]string `json:"seen,omitempty"`
	Floor uint            `json:"floor,omitempty"`
	// Given are the identity keys of devices that an own session was given to.
	Given []string `json:"given,omitempty"`

	live *crypto.InboundGroupSession
}

// roomRecord is the Megolm session that we encrypt with in a room. Name:
// r/<fingerprint of the room>.
type roomRecord struct {
	Room id.RoomID `json:"room"`
	// Own are the sessions whose inbound copies are kept, the oldest first.
	Own []id.SessionID `json:"own,omitempty"`

	Session   id.SessionID                                  `json:"session,omitempty"`
	Pickle    string                                        `json:"pickle,omitempty"`
	Shared    bool                                          `json:"shared,omitempty"`
	MaxAge    time.Duration                                 `json:"max_age,omitempty"`
	MaxCount  int                                           `json:"max_count,omitempty"`
	Count     int                                           `json:"count,omitempty"`
	History   *bool                                         `json:"history,omitempty"`
	Created   time.Time                                     `json:"created,omitzero"`
	Encrypted time.Time                                     `json:"encrypted,omitzero"`
	Users     map[id.UserID]map[id.DeviceID]crypto.OGSState `json:"users,omitempty"`

	live *crypto.OutboundGroupSession
}
