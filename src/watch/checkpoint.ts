import type { CanonicalPath } from "../base/path.ts";
import type { Interest } from "./api.ts";
import type { Picture } from "./picture.ts";
export function takeCheckpoint<T>(
  _p: Picture<T>,
  _i: Interest,
  _k: (path: CanonicalPath) => string,
): Uint8Array | undefined {
  return undefined;
}
export function adoptCheckpoint<T>(_p: Picture<T>, _i: Interest, _b: Uint8Array): void {}
