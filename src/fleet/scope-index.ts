import { pathKey } from "../base/path.ts";
import { type CaseRule, overlaps } from "./identity.ts";
import type { WatchTarget } from "./port.ts";

/** Finds which of many scopes share a directory with one, without looking at all of them. */
export class ScopeIndex<T extends { readonly target: WatchTarget }> {
  readonly #caseSensitive: CaseRule;
  readonly #byConnection = new Map<string, { readonly path: string; readonly item: T }[]>();

  constructor(items: Iterable<T>, caseSensitive: CaseRule) {
    this.#caseSensitive = caseSensitive;
    for (const item of items) {
      const { connection, path } = item.target;
      const list = this.#byConnection.get(connection) ?? [];
      list.push({ path: pathKey(path, caseSensitive(connection)), item });
      this.#byConnection.set(connection, list);
    }
    for (const list of this.#byConnection.values()) list.sort((a, b) => compare(a.path, b.path));
  }

  *overlapping(target: WatchTarget): Iterable<T> {
    const list = this.#byConnection.get(target.connection);
    if (list === undefined) return;
    const path = pathKey(target.path, this.#caseSensitive(target.connection));
    for (let above = path; ; above = above.slice(0, above.lastIndexOf("/")) || "/") {
      for (let i = lowerBound(list, above); list[i]?.path === above; i++) {
        const { item } = list[i] as { item: T };
        if (overlaps(item.target, target, this.#caseSensitive)) yield item;
      }
      if (above === "/") break;
    }
    if (!target.recursive) return;
    const prefix = path === "/" ? "/" : `${path}/`;
    for (let i = lowerBound(list, prefix); i < list.length; i++) {
      const entry = list[i] as { path: string; item: T };
      if (!entry.path.startsWith(prefix)) break;
      if (entry.path !== path) yield entry.item;
    }
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function lowerBound(list: readonly { readonly path: string }[], path: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as { path: string }).path < path) low = middle + 1;
    else high = middle;
  }
  return low;
}
