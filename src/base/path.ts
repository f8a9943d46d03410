import { BadPathError } from "./errors.ts";

/** A path below a connection's root in canonical form: `/` or `/dir/sub`, names as given. */
export type CanonicalPath = string;

const MAX_PATH_BYTES = 4_096;
const MAX_SEGMENT_UNITS = 255;

/**
 * Accepts `""`, `"/"`, `dir`, `/dir`, `dir/` and returns the canonical form (contract section 1).
 * Names are kept as they are: no case folding, no Unicode normalisation.
 * @throws BadPathError
 */
export function canonicalPath(input: string): CanonicalPath {
  if (Buffer.byteLength(input) > MAX_PATH_BYTES) {
    throw new BadPathError(input, `longer than ${MAX_PATH_BYTES} bytes`);
  }
  const segments: string[] = [];
  for (const segment of input.split("/")) {
    if (segment === "") continue;
    checkSegment(input, segment);
    segments.push(segment);
  }
  return `/${segments.join("/")}`;
}

function checkSegment(path: string, segment: string): void {
  if (segment === "." || segment === "..") throw new BadPathError(path, `"${segment}" segment`);
  if (segment.length > MAX_SEGMENT_UNITS) {
    throw new BadPathError(path, `a name longer than ${MAX_SEGMENT_UNITS} UTF-16 units`);
  }
  for (let i = 0; i < segment.length; i++) {
    const unit = segment.charCodeAt(i);
    if (unit < 0x20 || unit === 0x7f) throw new BadPathError(path, "control character");
    if (unit === 0x5c) throw new BadPathError(path, "backslash");
  }
}

/** `/a/b` -> `["a", "b"]`; `/` -> `[]`. */
export function segmentsOf(path: CanonicalPath): string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

/** Appends a relative path (`x` or `x/y`) to a canonical one. */
export function joinPath(base: CanonicalPath, relative: string): CanonicalPath {
  if (relative === "") return base;
  return base === "/" ? `/${relative}` : `${base}/${relative}`;
}

/** The directory of an entry; the root is its own parent. */
export function parentOf(path: CanonicalPath): CanonicalPath {
  const cut = path.lastIndexOf("/");
  return cut <= 0 ? "/" : path.slice(0, cut);
}

/** The last segment; `""` for the root. */
export function baseName(path: CanonicalPath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether `path` is `ancestor` or lies below it. Both in the same (folded or raw) form. */
export function isWithin(ancestor: CanonicalPath, path: CanonicalPath): boolean {
  return ancestor === "/" || path === ancestor || path.startsWith(`${ancestor}/`);
}

/**
 * The identity of a name on a server that compares without case: one UTF-16 unit at a time,
 * one-to-one mappings only, no locale, as NTFS and Samba do. `ß` and `İ` stay, so do surrogates.
 * Lower case, because subjects read better so.
 */
export function foldCase(name: string): string {
  if (/^[\x20-\x40\x5b-\x7e]*$/.test(name)) return name;
  let folded = "";
  for (let i = 0; i < name.length; i++) {
    const unit = name.charAt(i);
    const lower = unit.toLowerCase();
    // A mapping that does not come back (Kelvin sign, dotted capital I) would merge two names
    // that the server keeps apart.
    folded += lower.length === 1 && lower.toUpperCase() === unit ? lower : unit;
  }
  return folded;
}

/** The key under which a path is one watch: folded unless the connection is case-sensitive. */
export function pathKey(path: CanonicalPath, caseSensitive: boolean): string {
  return caseSensitive ? path : foldCase(path);
}
