/**
 * Names between servers and us. macOS and "Services for Mac" store characters that SMB reserves as
 * private-use code points (U+F001 to U+F029); users know them by the characters they stand for.
 */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['"', "\uf020"],
  ["*", "\uf021"],
  [":", "\uf022"],
  ["<", "\uf023"],
  [">", "\uf024"],
  ["?", "\uf025"],
  ["\\", "\uf026"],
  ["|", "\uf027"],
]);
/** Only at the end of a name. */
const TRAILING: ReadonlyMap<string, string> = new Map([
  [" ", "\uf028"],
  [".", "\uf029"],
]);

const UNRESERVED: ReadonlyMap<string, string> = new Map(
  [...RESERVED, ...TRAILING].map(([plain, mapped]) => [mapped, plain]),
);

/**
 * The name people see, of one segment: private-use stand-ins reversed. Left as they are: control characters
 * (U+F001 to U+F01F), since they could not be shown; the stand-in of the backslash, which would read as a
 * separator; and a last one that would turn the name into `.` or `..`, which are no names.
 */
export function displayName(wireName: string): string {
  if (!/[\uf020-\uf029]/.test(wireName)) return wireName;
  const name = wireName.replace(
    /[\uf020-\uf025\uf027]|[\uf028\uf029]$/g,
    (unit) => UNRESERVED.get(unit) ?? unit,
  );
  return isUsableName(name) ? name : wireName;
}

/** The name to ask a server for that stores reserved characters by stand-ins. The reverse of `displayName`. */
export function standInName(name: string): string {
  const mapped = name.replace(/["*:<>?\\|]/g, (unit) => RESERVED.get(unit) ?? unit);
  return mapped.replace(/[ .]$/, (unit) => TRAILING.get(unit) ?? unit);
}

/** Samba lists these, with any extension, under stand-ins as well. */
const DEVICE = /^(aux|con|prn|nul|lock\$|com[1-4]|lpt[1-3])(\.|$)/i;

/** Whether a name that a server gave may become part of a path: one segment, no traversal, nothing that ends a string. */
export function isUsableName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[\0/\\]/.test(name);
}

/** The same for a relative name with `\` between its segments, as in recursive notifications. */
export function isUsableRelativeName(name: string): boolean {
  return name.split("\\").every(isUsableName);
}

/**
 * Whether listings show a name as notifications tell it. Samba tells `a:b`, `what?` and `dot.` of files that
 * were made on the server itself, but lists them under 8.3 stand-ins, and opens them under those only
 * (seen with 4.17; MS-FSCC 2.1.5 has the characters). Who believed the first would wait for the second for ever.
 * The same goes for `CON`, `aux.txt` and the other names of DOS devices.
 */
export function isListedName(name: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return isUsableName(name) && !/["*:<>?|\x01-\x1f]|[ .]$/.test(name) && !DEVICE.test(name);
}

/** The same for a relative name. */
export function isListedRelativeName(name: string): boolean {
  return name.split("\\").every(isListedName);
}

/**
 * Names that directories have while Samba makes them (`vfs mkdir use tmp name`, 4.22 and later): who is making it,
 * as `pid%number`, with a node in front in a cluster and a task behind, then the name it will have (4.22) or a UUID
 * (4.25.1 sends that). Samba never lists what has such a name (`smbd_is_tmpname`, source3/smbd/open.c), and removes
 * what a crash has left of them, but notifications tell of it.
 */
const TEMPORARY = /^\.::TMPNAME:D:(?:\d+:)?\d+(?:\.\d+)?%[1-9]\d*:./s;

/** Whether a segment of a relative name is one that no listing will ever show. */
export function isTemporaryRelativeName(name: string): boolean {
  return name.includes(".::TMPNAME:D:") && name.split("\\").some((segment) => TEMPORARY.test(segment));
}
