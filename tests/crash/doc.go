// Package crash kills call state and an adapter, as processes and with SIGKILL,
// at every step of a call, and lets them start again.
package crash
