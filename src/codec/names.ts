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
 * The name people see: private-use stand-ins reversed, control characters (U+F001 to U+F01F) left as they
 * are, since they could not be shown, and so is the stand-in of the backslash, which would read as a separator.
 */
export function displayName(wireName: string): string {
  if (!/[\uf020-\uf029]/.test(wireName)) return wireName;
  return wireName.replace(/[\uf020-\uf029]/g, (unit) => {
    const plain = UNRESERVED.get(unit);
    return plain === undefined || plain === "\\" ? unit : plain;
  });
}

/** The name to ask a server for that stores reserved characters by stand-ins. The reverse of `displayName`. */
export function standInName(name: string): string {
  const mapped = name.replace(/["*:<>?\\|]/g, (unit) => RESERVED.get(unit) ?? unit);
  return mapped.replace(/[ .]$/, (unit) => TRAILING.get(unit) ?? unit);
}

/** Whether a name that a server gave may become part of a path: one segment, no traversal, nothing that ends a string. */
export function isUsableName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[\0/\\]/.test(name);
}

/** The same for a relative name with `\` between its segments, as in recursive notifications. */
export function isUsableRelativeName(name: string): boolean {
  return name.split("\\").every(isUsableName);
}
