// The live page: connects, browses, opens one panel per watched directory. The hash keeps what is open.
import { connect } from "./client.js";
import { Fleet } from "./fleet.js";
import { element, nameElement, Panel } from "./view.js";

const $ = (id) => document.getElementById(id);
const TOKEN_KEY = "smb2nats.token";

/** Everything open, by connection, path and depth. */
const open = new Map();
let client;

const STATUS_TEXT = {
  connecting: () => "connecting",
  open: () => "connected",
  waiting: () => "disconnected",
  refused: ({ code, reason }) => `refused: ${reason || `code ${code}`}`,
  closed: () => "closed",
};
/** When the next try is due, while disconnected. */
let retryAt;
let lostWhy = "";

/** Nothing has ever come through: then something in between may be in the way, and not an outage. */
let everOpen = false;

/** A subscription refused for one of these is tried again by the client. */
const TRIED_AGAIN = new Set(["unreachable", "limit", "internal", "timeout"]);
const STATE_TEXT = {
  live: "watched again",
  degraded: "not watched at the moment",
  gone: "the directory is gone; it is watched again when it is back",
  denied: "the file server refuses access",
  unreachable: "the file server cannot be reached; trying again",
};

function start() {
  client?.close();
  const token = $("token").value;
  client = connect("ws", {
    ...(token === "" ? {} : { token }),
    onStatus(status) {
      $("status").dataset.state = status.state;
      $("status-text").textContent = STATUS_TEXT[status.state](status);
      showStatus(status);
      if (status.state === "waiting" && !everOpen) void explain();
    },
  });
  for (const watched of open.values()) subscribe(watched);
}

/** A browser does not tell a page why its socket was refused; asked plainly, the gateway, or whoever is in front of it, does. */
async function explain() {
  const marker = "This address speaks WebSocket. ";
  try {
    const asked = new URLSearchParams({ origin: location.origin });
    const answer = await fetch(`ws?${asked}`, { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    const text = (await answer.text()).trim();
    if (everOpen) return;
    lostWhy = text.startsWith(marker)
      ? `. ${text.slice(marker.length).replace(/\.$/, "")}`
      : `. The way to the gateway answers ${answer.status} to what should become a WebSocket`;
    countDown();
  } catch {
    // Nobody is there at all: that is what the banner says already.
  }
}

function showStatus({ state, retryMs, reason, code }) {
  if (state === "waiting") {
    retryAt = Date.now() + retryMs;
    // Found out between two tries, it holds until the next is over.
    if (everOpen || reason) lostWhy = reason ? ` (${reason})` : "";
  } else if (state !== "connecting") retryAt = undefined;
  // Between two tries it is still lost.
  const lost = retryAt !== undefined || state === "refused";
  $("banner").dataset.state = state;
  if (state === "refused") {
    const wantsToken = code === 1008 || code === 4401;
    $("banner").textContent =
      code === 4401
        ? "The token has run out. Enter a fresh one to go on."
        : wantsToken
          ? "The gateway does not believe this token. Enter one that is valid."
          : `The gateway refused the connection: ${reason || `code ${code}`}.`;
    if (wantsToken) $("token").focus();
  }
  $("banner").hidden = !lost;
  countDown();
  for (const { panel } of open.values()) panel.setCutOff(state !== "open");
  if (state !== "open") return;
  everOpen = true;
  lostWhy = "";
  void fillConnections();
  void fleet.refresh();
}

function countDown() {
  if (retryAt === undefined) return;
  const left = Math.ceil((retryAt - Date.now()) / 1000);
  const next = left > 0 ? `Next try in ${left} s.` : "Trying now.";
  if (!everOpen) {
    $("banner").textContent = `There is no connection to the gateway${lostWhy}. ${next}`;
    return;
  }
  $("banner").textContent =
    `Connection lost${lostWhy}. ${next} What changes meanwhile is told afterwards, or you are told to list again.`;
}

async function fillConnections() {
  try {
    const names = await client.connections();
    const select = $("connection");
    const before = select.value;
    select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    if (names.includes(before)) select.value = before;
  } catch (error) {
    complain(error);
  }
}

function watch(connection, path, recursive) {
  const key = JSON.stringify([connection, path, recursive]);
  const existing = open.get(key);
  if (existing !== undefined) {
    existing.panel.root.scrollIntoView({ block: "nearest" });
    return;
  }
  const panel = new Panel({
    connection,
    path,
    recursive,
    onClose: () => unwatch(key),
    onRetry: () => subscribe(open.get(key)),
  });
  const watched = { key, connection, path, recursive, panel, subscription: undefined, wasLive: false };
  open.set(key, watched);
  $("panels").append(panel.root);
  subscribe(watched);
}

function subscribe(watched) {
  watched.subscription?.close();
  const { connection, path, recursive, panel } = watched;
  const where = (directory) => (recursive && directory !== path ? { where: directory } : {});
  panel.setState("arming", "arming");
  if (watched.wasLive) {
    // Another session knows nothing of where the last one ended.
    panel.add({ action: "resync", note: "list again: connected anew" });
  }
  try {
    watched.subscription = client.subscribe(connection, path, {
      recursive,
      detail: "changes",
      onChange({ changes = [], directory }) {
        for (const { action, name, oldName } of changes) {
          panel.add({
            action,
            name,
            ...(oldName === undefined ? {} : { from: oldName }),
            ...where(directory),
          });
        }
      },
      onResync: ({ reason, directory }) =>
        panel.add({ action: "resync", note: `list again: ${reason}`, ...where(directory) }),
      onState({ state, mode, error, late, directory }) {
        const polling = mode === "poll" ? ", by polling" : "";
        if (directory === path || !recursive) panel.setState(state, state + polling);
        panel.add({
          action: "state",
          note: (state === "live" && !watched.wasLive ? "watched" : STATE_TEXT[state]) + polling,
          ...more(error, late),
          ...where(directory),
        });
      },
      onError(error) {
        const again = TRIED_AGAIN.has(error.code);
        panel.setState(again ? "unreachable" : "ended", error.code.replaceAll("_", " "));
        panel.add({ action: "error", note: error.message + (again ? "; trying again" : "") });
      },
    });
    watched.subscription.ready.then(
      () => {
        watched.wasLive = true;
        panel.setState("live", "live");
      },
      () => undefined,
    );
  } catch (error) {
    panel.setState("ended", error.message);
  }
}

/** What is wrong, or what comes late. */
function more(error, late) {
  if (error !== undefined) return { more: error };
  return late === undefined
    ? {}
    : { more: `what is done on the server itself is told up to ${late.names} s late` };
}

function unwatch(key) {
  const watched = open.get(key);
  if (watched === undefined) return;
  const { root } = watched.panel;
  const panels = [...open.values()].map(({ panel }) => panel);
  const at = panels.indexOf(watched.panel);
  const hadFocus = root.contains(document.activeElement);
  open.delete(key);
  watched.subscription?.close();
  root.remove();
  // Whoever closes by keyboard goes on from here, not from the top of the page.
  if (hadFocus) (panels[at + 1] ?? panels[at - 1] ?? $("path")).focus();
  remember();
}

function remember() {
  $("empty").hidden = open.size > 0;
  const pairs = [...open.values()].map(({ connection, path, recursive }) => [
    recursive ? "tree" : "watch",
    `${connection}:${path}`,
  ]);
  history.replaceState(null, "", pairs.length > 0 ? `#${new URLSearchParams(pairs)}` : "#");
}

/** `#watch=nas1:/Media&tree=nas1:/Incoming` */
function restore() {
  for (const [kind, value] of new URLSearchParams(location.hash.slice(1))) {
    const colon = value.indexOf(":");
    if ((kind === "watch" || kind === "tree") && colon > 0) {
      watch(value.slice(0, colon), canonical(value.slice(colon + 1)), kind === "tree");
    }
  }
  // Once, at the end: a reload in between would find half of it.
  remember();
}

async function browse(path, after) {
  const connection = $("connection").value;
  $("path").value = path;
  complain(undefined);
  try {
    const { entries, next } = await client.list(connection, path, after === undefined ? {} : { after });
    if ($("path").value !== path || $("connection").value !== connection) return;
    if (after === undefined) $("entries").replaceChildren();
    if (after === undefined && path !== "/") {
      $("entries").append(directoryItem("..", path.slice(0, path.lastIndexOf("/")) || "/"));
    }
    for (const { name, type } of entries) {
      $("entries").append(
        type === "directory"
          ? directoryItem(name, `${path === "/" ? "" : path}/${name}`)
          : element("li", { class: "file" }, nameElement(name)),
      );
    }
    $("crumbs").replaceChildren(`${connection} `, nameElement(path));
    $("listing").hidden = false;
    $("more").hidden = next === undefined;
    $("more").onclick = () => void browse(path, next);
  } catch (error) {
    complain(error);
  }
}

function directoryItem(name, path) {
  const button = element("button", { type: "button" }, nameElement(name), "/");
  button.addEventListener("click", () => void browse(path));
  return element("li", {}, button);
}

function complain(error) {
  $("problem").hidden = error === undefined;
  $("problem").textContent = error?.message ?? "";
}

/** The forms of a path that mean the same, as one. */
const canonical = (path) => `/${path.split("/").filter(Boolean).join("/")}`;

$("session").addEventListener("submit", (event) => {
  event.preventDefault();
  // For this tab only: a token has no business on the disk.
  sessionStorage.setItem(TOKEN_KEY, $("token").value);
  start();
});
$("picker").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("connection").value !== "") {
    watch($("connection").value, canonical($("path").value), $("recursive").checked);
    remember();
  }
});
// Typed or pasted, blanks around a path are none of it; a name that ends in one is there to be browsed to.
$("path").addEventListener("change", () => {
  $("path").value = $("path").value.trim();
});
$("browse").addEventListener("click", () => void browse(canonical($("path").value)));
$("connection").addEventListener("change", () => {
  $("listing").hidden = true;
  $("path").value = "/";
});
addEventListener("hashchange", restore);
const fleet = new Fleet({
  list: $("workers"),
  note: $("fleet-note"),
  ask: () => (client.status.state === "open" ? client.workers() : undefined),
});
setInterval(() => {
  countDown();
  for (const { panel } of open.values()) panel.tick();
}, 1000);

$("token").value = sessionStorage.getItem(TOKEN_KEY) ?? "";
start();
restore();
