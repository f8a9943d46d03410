#!/usr/bin/env bash
# A timeout around the wait for changes makes the Rust crate smb2 lose the next change, without an error.
#
# smb2 0.18.1 (crates.io), tokio 1.48.0, Samba 4.17 (Debian 12). `Watcher::next_events` takes the CHANGE_NOTIFY that is
# parked at the server into the future that it returns. Where that future is dropped, as `tokio::time::timeout` and
# `select!` do, nobody takes that request's answer any more, but the server still has it, and answers the oldest one
# first: each wait that was given up swallows one later answer, with all changes in it. A program that looks up five times
# a second whether it is to end hears of nothing at all; the same program with the wait in a task of its own, of everything.
# The crate's documentation does not say that the wait must not be dropped.
#
# Needs: root, Debian 12's samba (smbd, smbpasswd), cargo. Everything is in a temporary folder, on loopback.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT
mkdir -p private lock state cache pid ncalrpc share/task share/timeout src
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
  force user = root
CONF
printf 'Watch-me-7\nWatch-me-7\n' | smbpasswd -c smb.conf -a -s daemon >/dev/null
smbd --version
# A process group of its own: at its end smbd signals all of it.
setsid smbd -F -s smb.conf --no-process-group >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
cat >Cargo.toml <<'TOML'
[package]
name = "waits"
version = "0.0.0"
edition = "2021"
publish = false

[dependencies]
smb2 = "=0.18.1"
tokio = { version = "=1.48.0", features = ["macros", "rt", "time", "sync"] }
TOML
cat >src/main.rs <<'RUST'
use smb2::{ClientConfig, SmbClient, Watcher};
use std::{collections::HashMap, collections::HashSet, env, fs, path::Path, time::Duration};
use tokio::{sync::mpsc, time};

const CHANGES: usize = 20;

async fn watcher(client: &mut SmbClient, directory: &str) -> Watcher {
    let tree = client.connect_share("share").await.expect("the share is there");
    client.watch(&tree, directory, false).await.expect("the directory is there")
}

/// Twenty directories, half a second apart, when the watch has been there for two seconds.
async fn make(path: &Path) {
    time::sleep(Duration::from_secs(2)).await;
    for number in 0..CHANGES {
        fs::create_dir(path.join(format!("d{number}"))).expect("it can be made");
        time::sleep(Duration::from_millis(500)).await;
    }
}

/// The wait goes on; what it has heard comes by a channel, and that is asked with a timeout.
async fn in_a_task(mut watcher: Watcher, mut end: mpsc::Receiver<()>) -> HashSet<String> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        while let Ok(events) = watcher.next_events().await {
            for event in events { if tell.send(event.filename).is_err() { return; } }
        }
    });
    let mut heard = HashSet::new();
    while end.try_recv().is_err() {
        if let Ok(Some(name)) = time::timeout(Duration::from_millis(200), told.recv()).await { heard.insert(name); }
    }
    task.abort();
    heard
}

/// The same, with the timeout around the wait itself.
async fn with_timeout(mut watcher: Watcher, mut end: mpsc::Receiver<()>) -> HashSet<String> {
    let mut heard = HashSet::new();
    while end.try_recv().is_err() {
        match time::timeout(Duration::from_millis(200), watcher.next_events()).await {
            Ok(Ok(events)) => heard.extend(events.into_iter().map(|event| event.filename)),
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
    }
    heard
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let [port, share] = [1, 2].map(|at| env::args().nth(at).expect("port and share"));
    let mut client = SmbClient::connect(ClientConfig {
        addr: format!("127.0.0.1:{port}"),
        username: "daemon".into(),
        password: "Watch-me-7".into(),
        domain: "LAB".into(),
        timeout: Duration::from_secs(30),
        auto_reconnect: false,
        compression: true,
        dfs_enabled: false,
        dfs_target_overrides: HashMap::new(),
    })
    .await
    .expect("the server lets us in");
    for way in ["task", "timeout"] {
        let watch = watcher(&mut client, way).await;
        let (stop, end) = mpsc::channel(1);
        let path = Path::new(&share).join(way);
        let made = async { make(&path).await; let _ = stop.send(()).await; };
        let heard = if way == "task" {
            tokio::join!(made, in_a_task(watch, end)).1
        } else {
            tokio::join!(made, with_timeout(watch, end)).1
        };
        let heard = heard.iter().filter(|name| name.starts_with('d')).count();
        println!("{way}: {heard} of {CHANGES} directories heard of, no error");
    }
}
RUST
cargo build --quiet --release
timeout 120 target/release/waits "$port" "$dir/share" | tee out.txt
expected='task: 20 of 20 directories heard of, no error
timeout: 0 of 20 directories heard of, no error'
[ "$(cat out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
