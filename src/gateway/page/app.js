// The live page: connects, and opens one panel per watched directory. The hash keeps what is open.
import { connect } from "./client.js";
import { element } from "./elements.js";
import { Fleet } from "./fleet.js";
import { hashOf, placesIn } from "./hash.js";
import { canonical } from "./paths.js";
import { Watched } from "./watched.js";

const $ = (id) => document.getElementById(id);
const TOKEN_KEY = "smb2nats.token";

/** Everything open, as it stands on the page. */
const open = [];
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
  for (const watched of open) watched.start(client);
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
  for (const { panel } of open) panel.setCutOff(state !== "open");
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
  $("banner").textContent = `Connection lost${lostWhy}. ${next} What changes meanwhile is shown afterwards.`;
}

async function fillConnections() {
  try {
    const names = await client.connections();
    complain(undefined);
    const select = $("connection");
    const before = select.value;
    select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
    if (names.includes(before)) select.value = before;
  } catch (error) {
    complain(error);
  }
}

/** Opens a panel, or shows the one that is open. @param {{connection: string, path: string, recursive: boolean, at?: string}} place */
function watch(place) {
  const existing = open.find((watched) => same(watched, place));
  if (existing !== undefined) {
    existing.panel.root.scrollIntoView({ block: "nearest" });
    return;
  }
  const watched = new Watched({
    ...place,
    onClose: () => unwatch(watched),
    // A step that the browser goes back by.
    onMove: () => remember("pushState"),
  });
  open.push(watched);
  $("panels").append(watched.panel.root);
  watched.start(client);
}

function same(a, b) {
  return a.connection === b.connection && a.path === b.path && a.recursive === b.recursive;
}

function unwatch(watched) {
  const at = open.indexOf(watched);
  if (at === -1) return;
  const hadFocus = watched.panel.root.contains(document.activeElement);
  open.splice(at, 1);
  watched.close();
  // Whoever closes by keyboard goes on from here, not from the top of the page.
  if (hadFocus) (open[at]?.panel ?? open[at - 1]?.panel ?? $("path")).focus();
  remember("replaceState");
}

function remember(how) {
  $("empty").hidden = open.length > 0;
  history[how](null, "", hashOf(open));
}

/** What the hash says is open, and nothing else. */
function restore() {
  const places = placesIn(location.hash);
  const ended = open.filter((watched) => !places.some((place) => same(watched, place)));
  for (const place of places) {
    const there = open.find((watched) => same(watched, place));
    // Back and forward: a panel went somewhere else, and is where it was.
    const moved = ended.findIndex(
      ({ connection, recursive }) => connection === place.connection && recursive === place.recursive,
    );
    if (there !== undefined) there.go(place.at ?? place.path, { stepped: true });
    else if (moved !== -1 && !place.recursive) ended.splice(moved, 1)[0].go(place.path, { stepped: true });
    else watch(place);
  }
  for (const watched of ended) unwatch(watched);
  // Once, at the end: a reload in between would find half of it.
  remember("replaceState");
}

function complain(error) {
  $("problem").hidden = error === undefined;
  $("problem").textContent = error?.message ?? "";
}

$("session").addEventListener("submit", (event) => {
  event.preventDefault();
  // For this tab only: a token has no business on the disk.
  sessionStorage.setItem(TOKEN_KEY, $("token").value);
  start();
});
$("picker").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("connection").value !== "") {
    const connection = $("connection").value;
    watch({ connection, path: canonical($("path").value), recursive: $("recursive").checked });
    remember("replaceState");
  }
});
// Typed or pasted, blanks around a path are none of it; a name that ends in one is there to be browsed to.
$("path").addEventListener("change", () => {
  $("path").value = $("path").value.trim();
});
$("connection").addEventListener("change", () => {
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
  for (const { panel } of open) panel.tick();
}, 1000);

$("token").value = sessionStorage.getItem(TOKEN_KEY) ?? "";
start();
restore();
