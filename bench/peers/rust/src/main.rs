//! Listens to directories, or lists one, through the crate `smb2`: a program of `npm run bench -- --peers`. What it is asked and
//! answers, line by line, is told in bench/peers/lines.ts.
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smb2::{ClientConfig, SmbClient, Tree};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Default)]
struct Heard {
    names: HashMap<String, u64>,
    prefix: String,
    overflows: u64,
}

/// The clock that all processes of the machine share.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of our own, for the time of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Who asked has gone: there is nobody to tell.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

async fn listen(mut watcher: smb2::Watcher, heard: Arc<Mutex<Heard>>) {
    loop {
        match watcher.next_events().await {
            Ok(events) => {
                let at = now();
                let mut heard = heard.lock().expect("no listener panics");
                for event in events {
                    if event.filename.starts_with(&heard.prefix) {
                        heard.names.entry(event.filename).or_insert(at);
                    }
                }
            }
            Err(smb2::Error::Protocol { status, .. }) if status == smb2::types::status::NtStatus::NOTIFY_ENUM_DIR => {
                heard.lock().expect("no listener panics").overflows += 1;
            }
            Err(error) => {
                eprintln!("a watch has ended: {error}");
                return;
            }
        }
    }
}

struct Session {
    client: SmbClient,
    tree: Tree,
}

async fn connect(settings: &HashMap<String, String>) -> Result<Session, smb2::Error> {
    let get = |key: &str| settings.get(key).cloned().unwrap_or_default();
    let mut client = SmbClient::connect(ClientConfig {
        addr: format!("{}:{}", get("host"), get("port")),
        username: get("user"),
        password: get("password"),
        domain: get("domain"),
        timeout: Duration::from_secs(60),
        auto_reconnect: false,
        compression: true,
        dfs_enabled: true,
        dfs_target_overrides: HashMap::new(),
    })
    .await?;
    let tree = client.connect_share(&get("share")).await?;
    Ok(Session { client, tree })
}

async fn obey(
    line: &str,
    settings: &mut HashMap<String, String>,
    session: &mut Option<Session>,
    wanted: &mut Vec<String>,
    heard: &Arc<Mutex<Heard>>,
) -> Result<(), smb2::Error> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    match verb {
        "set" => {
            let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
            settings.insert(key.to_owned(), value.to_owned());
        }
        "watch" => wanted.push(rest.to_owned()),
        "arm" | "list" => {
            if session.is_none() {
                *session = Some(connect(settings).await?);
            }
            let Session { client, tree } = session.as_mut().expect("it is connected by now");
            if verb == "list" {
                let began = now();
                let entries = client.list_directory(tree, rest).await?;
                let count = entries.iter().filter(|each| each.name != "." && each.name != "..").count();
                say(&format!("listed {count} {}", now() - began));
                return Ok(());
            }
            let count = wanted.len();
            for path in wanted.drain(..) {
                let watcher = client.watch(tree, &path, false).await?;
                tokio::spawn(listen(watcher, heard.clone()));
            }
            say(&format!("armed {count}"));
        }
        "count" => {
            let heard = heard.lock().expect("no listener panics");
            say(&format!("count {} {} 0", heard.names.len(), heard.overflows));
        }
        "clear" => {
            let empty = Heard { prefix: rest.to_owned(), ..Heard::default() };
            *heard.lock().expect("no listener panics") = empty;
            say("cleared");
        }
        "tell" => {
            let heard = heard.lock().expect("no listener panics");
            for (name, at) in &heard.names {
                say(&format!("heard {at} {name}"));
            }
            say(&format!("told {}", heard.names.len()));
        }
        _ => say(&format!("failed no such order: {verb}")),
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let (mut settings, mut session, mut wanted) = (HashMap::new(), None, Vec::new());
    let heard = Arc::new(Mutex::new(Heard::default()));
    while let Ok(Some(line)) = orders.next_line().await {
        if line == "end" {
            break;
        }
        if let Err(error) = obey(&line, &mut settings, &mut session, &mut wanted, &heard).await {
            say(&format!("failed {error}"));
        }
    }
    // Watches would keep it: nothing is left to be told.
    std::process::exit(0);
}
