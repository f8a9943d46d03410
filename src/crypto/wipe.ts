/** Overwrites key material with zeros. `undefined` is let pass, so that closers need no branches. */
export function wipe(...secrets: readonly (Uint8Array | undefined)[]): void {
  for (const bytes of secrets) bytes?.fill(0);
}
