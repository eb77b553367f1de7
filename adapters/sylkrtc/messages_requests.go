package sylkrtc

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
