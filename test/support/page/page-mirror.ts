import type { Page } from "playwright-core";

/**
 * A consumer inside a page: names of one directory from one listing and the changes since, listed again
 * only on a resync. Runs on the gateway's own `/client.js`, as an application would.
 */
const SCRIPT = `(async ({ path, connection }) => {
  const { connect } = await import("/client.js");
  const mirror = { names: new Set(), told: [], resyncs: [], statuses: [], errors: [] };
  globalThis.mirror = mirror;
  const client = connect("/ws", {
    token: () => globalThis.freshToken(),
    backoff: { initialMs: 50, maxMs: 500 },
    onStatus: ({ state, code, reason }) => mirror.statuses.push({ state, code, reason }),
  });
  let waiting;
  let doubt = false;
  const apply = ({ action, name, oldName }) => {
    if (action === "removed") mirror.names.delete(name);
    else mirror.names.add(name);
    if (oldName !== undefined) mirror.names.delete(oldName);
  };
  const list = async () => {
    doubt = true;
    if (waiting !== undefined) return;
    while (doubt) {
      doubt = false;
      waiting = [];
      try {
        const names = new Set();
        let after;
        do {
          const page = await client.list(connection, path, after === undefined ? {} : { after });
          for (const { name } of page.entries) names.add(name);
          after = page.next;
        } while (after !== undefined);
        mirror.names = names;
      } catch (error) {
        mirror.errors.push(error.code);
        doubt = true;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      waiting.forEach(apply);
    }
    waiting = undefined;
  };
  const subscription = client.subscribe(connection, path, {
    detail: "changes",
    onChange: ({ changes }) => {
      for (const change of changes) {
        mirror.told.push(change.name);
        apply(change);
        waiting?.push(change);
      }
    },
    onResync: ({ reason }) => {
      mirror.resyncs.push(reason);
      void list();
    },
    onError: ({ code }) => mirror.errors.push(code),
  });
  await subscription.ready;
  await list();
})`;

export interface PageMirror {
  readonly page: Page;
  /** Names as the page believes them to be, sorted. */
  names(): Promise<string[]>;
  /** Names of all changes told, in order. */
  told(): Promise<string[]>;
  /** Reasons of the resyncs told. */
  resyncs(): Promise<string[]>;
  statuses(): Promise<{ readonly state: string; readonly code?: number; readonly reason?: string }[]>;
}

/** Resolves once subscribed and listed. `token` is asked before each connection. */
export async function mirrorInPage(
  page: Page,
  gateway: string,
  about: { readonly connection: string; readonly path: string; readonly token: () => Promise<string> },
): Promise<PageMirror> {
  const { connection, path, token } = about;
  await page.goto(`${gateway}/`);
  await page.exposeFunction("freshToken", token);
  await page.evaluate(`${SCRIPT}(${JSON.stringify({ connection, path })})`);
  const read = <T>(expression: string): Promise<T> => page.evaluate(expression) as Promise<T>;
  return {
    page,
    names: () => read("[...mirror.names].sort()"),
    told: () => read("mirror.told"),
    resyncs: () => read("mirror.resyncs"),
    statuses: () => read("mirror.statuses"),
  };
}
