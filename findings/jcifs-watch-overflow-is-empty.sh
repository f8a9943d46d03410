#!/usr/bin/env bash
# A watch of jcifs-ng that lost track returns an empty list, as if nothing had happened.
#
# jcifs-ng 2.1.10, Samba 4.17 (Debian 12). The server answers a CHANGE_NOTIFY whose buffer overflowed with
# STATUS_NOTIFY_ENUM_DIR: list the directory again. `SmbWatchHandle.watch()` makes a list without entries of it: no
# exception, no flag. A loop over the list sees nothing, and 3,000 files are lost in silence; the next call tells of the
# next change as ever. So with jcifs-ng an empty list must be read as "list again".
#
# Needs: root, Debian's samba (smbd, smbpasswd), a JDK, Maven. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir -p private lock state cache pid ncalrpc share lib
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >smb.conf <<CONF
[global]
  workgroup = LAB
  server role = standalone server
  interfaces = 127.0.0.1
  bind interfaces only = yes
  smb ports = $port
  disable netbios = yes
  load printers = no
  printing = bsd
  printcap name = /dev/null
  private dir = $dir/private
  lock directory = $dir/lock
  state directory = $dir/state
  cache directory = $dir/cache
  pid directory = $dir/pid
  ncalrpc dir = $dir/ncalrpc
  passdb backend = tdbsam:$dir/private/passdb.tdb
  log file = $dir/smbd.log
[share]
  path = $dir/share
  read only = no
  force user = root
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>eu.agno3.jcifs</groupId><artifactId>jcifs-ng</artifactId><version>2.1.10</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
mvn -q dependency:copy-dependencies -DoutputDirectory=lib
cat >Watch.java <<'JAVA'
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import jcifs.CIFSContext;
import jcifs.config.PropertyConfiguration;
import jcifs.context.BaseContext;
import jcifs.smb.NtlmPasswordAuthenticator;
import jcifs.smb.SmbFile;

public class Watch {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("jcifs.smb.client.minVersion", "SMB202");
    properties.put("jcifs.smb.client.maxVersion", "SMB311");
    CIFSContext context = new BaseContext(new PropertyConfiguration(properties))
        .withCredentials(new NtlmPasswordAuthenticator("LAB", "daemon", "Watch-me-7"));
    Path share = Path.of(args[1]);
    try (SmbFile root = new SmbFile("smb://127.0.0.1:" + args[0] + "/share/", context);
        var watch = root.watch(0x01, false)) {
      Thread later = new Thread(() -> {
        try {
          Thread.sleep(1_000);
          Files.writeString(share.resolve("first"), "");
        } catch (Exception error) {
          throw new IllegalStateException(error);
        }
      });
      later.start();
      System.out.println("one file made: " + watch.watch().size() + " told");
      for (int at = 0; at < 3_000; at++) Files.writeString(share.resolve("n" + at), "");
      Thread.sleep(2_000);
      System.out.println("3000 files made while nobody waited: " + watch.watch().size() + " told, no exception");
    }
    System.exit(0);
  }
}
JAVA
javac -cp 'lib/*' Watch.java
timeout 60 java -cp "lib/*:." Watch "$port" "$dir/share" | tee out.txt
expected='one file made: 1 told
3000 files made while nobody waited: 0 told, no exception'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
