# Starts the demo's homeserver: with a signing key of its own, and the secret for
# making accounts in its configuration.
set -eu
umask 077
sed "s|@accounts@|$(cat /secrets/accounts)|" /etc/dendrite/dendrite.yaml >/run/dendrite.yaml
[ -s /data/matrix_key.pem ] || generate-keys --private-key /data/matrix_key.pem
exec dendrite -config /run/dendrite.yaml -http-bind-address :8008
