// The live page: connects, browses, opens one panel per watched directory. The hash keeps what is open.
import { connect } from "./client.js";
import { element, nameElement, Panel } from "./view.js";

const $ = (id) => document.getElementById(id);
const TOKEN_KEY = "smb2nats.token";

/** Everything open, by connection, path and depth. */
const open = new Map();
let client;

const STATUS_TEXT = {
  connecting: () => "connecting",
  open: () => "connected",
  waiting: ({ retryMs, reason }) =>
    `disconnected${reason ? ` (${reason})` : ""}, next try in ${Math.ceil((retryMs ?? 0) / 1000)} s`,
  refused: ({ code, reason }) => `refused: ${reason || `code ${code}`}`,
  closed: () => "closed",
};

function start() {
  client?.close();
  const token = $("token").value;
  client = connect("ws", {
    ...(token === "" ? {} : { token }),
    onStatus(status) {
      $("status").dataset.state = status.state;
      $("status-text").textContent = STATUS_TEXT[status.state](status);
      if (status.state === "open") void fillConnections();
    },
  });
  for (const watched of open.values()) subscribe(watched);
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
  const panel = new Panel({ connection, path, recursive, onClose: () => unwatch(key) });
  const watched = { key, connection, path, recursive, panel, subscription: undefined, wasLive: false };
  open.set(key, watched);
  $("panels").append(panel.root);
  subscribe(watched);
  remember();
}

function subscribe(watched) {
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
      onState({ state, mode, error, directory }) {
        if (directory === path || !recursive)
          panel.setState(state, mode === "poll" ? `${state}, polling` : state);
        panel.add({
          action: "state",
          note: [state, mode, error].filter(Boolean).join(", "),
          ...where(directory),
        });
      },
      onError(error) {
        panel.setState("ended", error.code);
        panel.add({ action: "error", note: error.message });
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

function unwatch(key) {
  const watched = open.get(key);
  if (watched === undefined) return;
  open.delete(key);
  watched.subscription?.close();
  watched.panel.root.remove();
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
  }
});
$("browse").addEventListener("click", () => void browse(canonical($("path").value)));
$("connection").addEventListener("change", () => {
  $("listing").hidden = true;
  $("path").value = "/";
});
addEventListener("hashchange", restore);
setInterval(() => {
  for (const { panel } of open.values()) panel.tick();
}, 1000);

$("token").value = sessionStorage.getItem(TOKEN_KEY) ?? "";
start();
restore();
