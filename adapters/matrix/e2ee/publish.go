//go:build goolm

package e2ee

import (
	"context"
	"errors"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// deviceName is what users see in the list of devices.
const deviceName = "Tandem"

// login gives the device an access token of its own. Doing it again for the same
// device keeps its keys.
func (d *device) login() error {
	ctx, cancel := d.request(d.ctx)
	defer cancel()
	d.client.AccessToken = d.cfg.Token
	resp, err := d.client.Login(ctx, &mautrix.ReqLogin{
		Type:                     mautrix.AuthTypeAppservice,
		Identifier:               mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(d.user)},
		DeviceID:                 d.client.DeviceID,
		InitialDeviceDisplayName: deviceName,
	})
	if err != nil {
		return err
	}
	if resp.UserID != d.user || resp.DeviceID != d.client.DeviceID {
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "logged in as %s, device %s", resp.UserID, resp.DeviceID)
	}
	d.client.AccessToken = resp.AccessToken
	return d.store.change(d.ctx, func(a *accountRecord) { a.Token = resp.AccessToken })
}

// loggedOut forgets the token, if that is what err is about.
func (d *device) loggedOut(err error) bool {
	if !errors.Is(err, mautrix.MUnknownToken) && !errors.Is(err, mautrix.MMissingToken) {
		return false
	}
	_ = d.store.change(d.ctx, func(a *accountRecord) { a.Token = "" }) // a failure sticks in the vault
	return true
}

// publish sees to it that the homeserver has the device's keys, and enough
// one-time keys.
func (d *device) publish() error {
	ctx, cancel := d.request(d.ctx)
	defer cancel()
	resp, err := d.client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{d.user: {d.client.DeviceID}}})
	if err != nil {
		d.loggedOut(err)
		return err
	}
	account := d.mach.GetAccount()
	there := resp.DeviceKeys[d.user][d.client.DeviceID]
	signing, identity := there.Keys.GetEd25519(d.client.DeviceID), there.Keys.GetCurve25519(d.client.DeviceID)
	switch {
	case signing == "" && identity == "":
		account.Shared = false
	case signing != account.SigningKey() || identity != account.IdentityKey():
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "device %s of %s has other keys", d.client.DeviceID, d.user)
	default:
		account.Shared = true
	}
	d.olm.Lock()
	defer d.olm.Unlock()
	return d.mach.ShareKeys(ctx, -1)
}

// sign gives the user an identity and signs the device with it, so that clients
// do not warn of a device that its owner has not confirmed. A homeserver that
// wants a password for that is not asked again.
func (d *device) sign() error {
	account, err := d.store.device(d.ctx)
	if err != nil {
		return err
	}
	keys, err := d.identity()
	if err != nil {
		return err
	}
	if account.Signed == "refused" {
		return nil
	}
	if err := d.mach.ImportCrossSigningKeys(keys.Seeds()); err != nil {
		return err
	}
	if account.Signed == "signed" {
		return nil
	}
	ctx, cancel := d.request(d.ctx)
	defer cancel()
	err = d.mach.PublishCrossSigningKeys(ctx, keys, nil)
	if err == nil {
		err = d.mach.SignOwnDevice(ctx, d.mach.OwnIdentity())
	}
	outcome := "signed"
	if err != nil {
		var refused mautrix.HTTPError
		if !errors.As(err, &refused) || refused.Response == nil || refused.Response.StatusCode/100 != 4 || refused.Response.StatusCode == 429 {
			return err
		}
		d.log.Warn("the homeserver did not let the device be signed; clients may warn of it", "error", err)
		d.mach.CrossSigningKeys = nil
		outcome = "refused"
	}
	return d.store.change(d.ctx, func(a *accountRecord) { a.Signed = outcome })
}

// identity gives the user's cross-signing keys, which follow from the secret.
func (d *device) identity() (*crypto.CrossSigningKeysCache, error) {
	var seeds crypto.CrossSigningSeeds
	for _, k := range []struct {
		purpose string
		seed    *[]byte
	}{
		{"master", (*[]byte)(&seeds.MasterKey)},
		{"self-signing", (*[]byte)(&seeds.SelfSigningKey)},
		{"user-signing", (*[]byte)(&seeds.UserSigningKey)},
	} {
		seed, err := derive(d.cfg.Secret, k.purpose, string(d.user), 32)
		if err != nil {
			return nil, err
		}
		*k.seed = seed
	}
	keys, err := seeds.Decode()
	return &keys, err
}

// refusal gives any error a code: what may pass is CODE_RETRY.
func refusal(err error) error {
	var known *schema.Error
	var http mautrix.HTTPError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
	case errors.As(err, &http) && http.Response != nil && http.Response.StatusCode/100 == 4:
		switch {
		case errors.Is(err, mautrix.MUnknownToken), errors.Is(err, mautrix.MLimitExceeded):
			return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
		case http.Response.StatusCode == 401, http.Response.StatusCode == 403:
			return schema.Errorf(callv1.Code_CODE_FORBIDDEN, "%w", err)
		}
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "%w", err)
	}
	return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
}

// fetch asks the homeserver for users' devices. mautrix does that, too, in the
// middle of what uses Olm sessions, and must not do it twice at once.
func (d *device) fetch(ctx context.Context, users []id.UserID) error {
	d.olm.Lock()
	defer d.olm.Unlock()
	ctx, cancel := d.request(ctx)
	defer cancel()
	_, err := d.mach.FetchKeys(ctx, users, true)
	return err
}
