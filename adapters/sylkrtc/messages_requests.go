package sylkrtc

import "context"

// messaging is what a node has for messages, address books, devices and public
// keys.
type messaging struct{}

// init is called once, before anything else.
func (m *messaging) init(*adapter) {}

// run is called once peers can connect; ctx ends when draining begins.
func (m *messaging) run(context.Context) {}

// registered says that an account is signed in: verified, and told so. It is
// called on the connection's request goroutine, also when the account registers
// again, and never with a lock held.
func (m *messaging) registered(*account) {}

// gone says that an account is signed out or its connection has ended. It may be
// called again and from any goroutine, and must not block.
func (m *messaging) gone(*account) {}

// messagingRequests are those of messages, address books, devices and public
// keys.
func messagingRequests() map[string]requestType {
	return map[string]requestType{
		"account-devicetoken": {v1, "AccountDeviceTokenRequest", nil},

		"session-message": {v2, "SessionMessageRequest", nil},

		"account-message":                  {v2, "AccountMessageRequest", nil},
		"account-disposition-notification": {v2, "AccountDispositionNotificationRequest", nil},
		"account-sync-conversations":       {v2, "AccountSyncConversationsRequest", nil},
		"account-mark-conversation-read":   {v2, "AccountMarkConversationReadRequest", nil},
		"account-remove-conversation":      {v2, "AccountRemoveConversationRequest", nil},
		"account-remove-message":           {v2, "AccountRemoveMessageRequest", nil},
		"account-fetch-addressbook":        {v2, "AccountFetchAddressBookRequest", nil},
		"account-update-addressbook":       {v2, "AccountUpdateAddressBookRequest", nil},
		"lookup-public-key":                {v2, "LookupPublicKeyRequest", nil},
	}
}
