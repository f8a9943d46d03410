import { isWithin, pathKey, segmentsOf } from "../base/path.ts";
import type { WatchTarget } from "./port.ts";

/** Identity of a watch: connection, folded path, reach. Equal strings are one watch. */
export type WatchKey = string;

/** Whether a connection's server tells names apart by case. */
export type CaseRule = (connection: string) => boolean;

export function watchKey(target: WatchTarget, caseSensitive: CaseRule): WatchKey {
  return keyOf(target.connection, pathKey(target.path, caseSensitive(target.connection)), target.recursive);
}

function keyOf(connection: string, folded: string, recursive: boolean): WatchKey {
  return `${connection}\n${recursive ? "t" : "d"}\n${folded}`;
}

/** Keys of the recursive watches that reach `target`, topmost first; the last is at the target's own path. */
export function treeKeysAbove(target: WatchTarget, caseSensitive: CaseRule): WatchKey[] {
  const { connection } = target;
  const keys = [keyOf(connection, "/", true)];
  let path = "";
  for (const segment of segmentsOf(pathKey(target.path, caseSensitive(connection)))) {
    path += `/${segment}`;
    keys.push(keyOf(connection, path, true));
  }
  return keys;
}

/** Whether everything `inner` reports is reported by `outer` too. */
export function covers(outer: WatchTarget, inner: WatchTarget, caseSensitive: CaseRule): boolean {
  if (outer.connection !== inner.connection) return false;
  const sensitive = caseSensitive(outer.connection);
  const outerPath = pathKey(outer.path, sensitive);
  const innerPath = pathKey(inner.path, sensitive);
  return outer.recursive ? isWithin(outerPath, innerPath) : !inner.recursive && outerPath === innerPath;
}

/** Whether some directory is reported by both. */
export function overlaps(a: WatchTarget, b: WatchTarget, caseSensitive: CaseRule): boolean {
  if (a.connection !== b.connection) return false;
  const sensitive = caseSensitive(a.connection);
  const first = pathKey(a.path, sensitive);
  const second = pathKey(b.path, sensitive);
  if (first === second) return true;
  return (a.recursive && isWithin(first, second)) || (b.recursive && isWithin(second, first));
}

/** FNV-1a, 32 bit, with a final mix so that neighbours spread. Placement only: no secret, no adversary. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
