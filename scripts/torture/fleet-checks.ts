import { setTimeout as delay } from "node:timers/promises";
import type { Broker, FeedSubscription } from "../../src/broker/port.ts";
import { collectStatus } from "../../src/fleet/status.ts";
import { FleetView } from "../../src/fleet/view.ts";
import type { Samba } from "../lab/samba.ts";
import { CONNECTION } from "./fleet-consumers.ts";

/** Follows all messages and finds those of an owner that should have been silent: an epoch older than one before it. */
export class FenceWatch {
  readonly stale: string[] = [];
  messages = 0;
  readonly #newest = new Map<string, { readonly revision: number; readonly text: string }>();
  readonly #subscription: FeedSubscription;

  constructor(broker: Broker) {
    this.#subscription = broker.feed.follow(CONNECTION, {
      onMessage: ({ subject, cursor, message }) => {
        const { epoch, seq } = message.body;
        this.messages++;
        if (epoch === undefined) return;
        const revision = Number(epoch.slice(epoch.lastIndexOf("-") + 1));
        const before = this.#newest.get(subject);
        const text = `${message.type} ${epoch}:${seq} at ${cursor}`;
        if (before !== undefined && revision < before.revision) {
          this.stale.push(`${subject}: ${text} after ${before.text}`);
        } else this.#newest.set(subject, { revision, text });
      },
      onGap: () => this.#newest.clear(),
    });
  }

  get ready(): Promise<void> {
    return this.#subscription.ready;
  }

  close(): void {
    this.#subscription.close();
  }
}

/** What is wrong with the bucket when all is quiet; empty when each watch has one living owner and nobody dead is named. */
export async function untidy(broker: Broker, holders: number, timeoutMs: number): Promise<string[]> {
  const mirror = broker.mirror();
  const view = new FleetView(mirror);
  try {
    await mirror.synced;
    const end = Date.now() + timeoutMs;
    for (;;) {
      const wrong = complaints(view, holders);
      if (wrong.length === 0 || Date.now() > end) return wrong;
      await delay(100);
    }
  } finally {
    view.close();
    await mirror.close();
  }
}

function complaints(view: FleetView, holders: number): string[] {
  const { watches, void: gone, holders: alive } = collectStatus(view);
  const wrong: string[] = [];
  if (gone.refs + gone.claims > 0) wrong.push(`left by the dead: ${gone.refs} refs, ${gone.claims} claims`);
  if (alive.length !== holders) wrong.push(`${alive.length} leases of ${holders} processes`);
  for (const { path, state, owner, unwanted, next } of watches) {
    if (owner === undefined || state !== "live") wrong.push(`${path}: ${state}, owner ${owner ?? "nobody"}`);
    if (unwanted === true) wrong.push(`${path}: nobody asks for it`);
    if (next !== undefined) wrong.push(`${path}: still being handed over`);
  }
  return wrong;
}

/** Directories that some client has open on the server, by smbstatus. */
export async function openHandles(samba: Samba): Promise<string[]> {
  const lines = (await samba.status()).split("\n");
  const from = lines.findIndex((line) => line.startsWith("Locked files:"));
  if (from < 0) return [];
  return lines.slice(from + 3).filter((line) => /^\d+\s/.test(line));
}

/** Waits for handles to go. Returns what is left. */
export async function handlesLeft(samba: Samba, timeoutMs: number): Promise<string[]> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const left = await openHandles(samba);
    if (left.length === 0 || Date.now() > end) return left;
    await delay(200);
  }
}
