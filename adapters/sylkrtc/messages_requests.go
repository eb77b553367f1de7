package sylkrtc

// messagingRequests are those of messages, address books, devices and public
// keys.
func messagingRequests() map[string]requestType {
	return map[string]requestType{
		"account-devicetoken": {v1, "AccountDeviceTokenRequest", parseDeviceToken},

		"session-message": {v2, "SessionMessageRequest", parseSessionMessage},

		"account-message":                  {v2, "AccountMessageRequest", parseAccountMessage},
		"account-disposition-notification": {v2, "AccountDispositionNotificationRequest", parseDisposition},
		"account-sync-conversations":       {v2, "AccountSyncConversationsRequest", parseSyncConversations},
		"account-mark-conversation-read":   {v2, "AccountMarkConversationReadRequest", parseMarkRead},
		"account-remove-conversation":      {v2, "AccountConversationRemoveRequest", parseRemoveConversation},
		"account-remove-message":           {v2, "AccountMessageRemoveRequest", parseRemoveMessage},
		"account-fetch-addressbook":        {v2, "AccountFetchAddressbookRequest", parseFetchBook},
		"account-update-addressbook":       {v2, "AccountUpdateAddressBookRequest", parseUpdateBook},
		"lookup-public-key":                {v2, "LookupPublicKeyRequest", parseLookupKey},
	}
}
