#!/bin/sh
# Makes the account from the secret, puts sample data into an empty share, becomes smbd.
set -eu
umask 077
secret=${SAMBA_PASSWORD_FILE:-/run/secrets/smb-password}
password=$(cat "$secret")
printf 'username = watcher\npassword = %s\ndomain = LAB\n' "$password" > /run/samba/health.auth
printf '%s\n%s\n' "$password" "$password" | smbpasswd -s -a watcher

umask 022
if [ -z "$(ls -A /srv/media)" ]; then
  for folder in Photos Music Documents/Letters; do mkdir -p "/srv/media/$folder"; done
  echo "Change me, and watch it arrive." > /srv/media/Documents/welcome.txt
  echo "Dear reader" > /srv/media/Documents/Letters/first.txt
  chown -R watcher: /srv/media
fi
exec smbd --foreground --no-process-group --debug-stdout
