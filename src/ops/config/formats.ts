import { isIP } from "node:net";
import { canonicalPath } from "../../base/path.ts";
import { redactLogins } from "../secrets.ts";

/** A fragment of JSON Schema (draft 2020-12). */
export type JsonSchema = { readonly [keyword: string]: unknown };

/**
 * What a value may be. convict's own formats parse leniently (`12abc` is 12, any text but `false` is
 * true), so none of them is used.
 */
export interface Format<T> {
  /** Unique; the name under which convict knows it. */
  readonly name: string;
  /** For people: `integer, 1 to 65535`. */
  readonly says: string;
  readonly schema: JsonSchema;
  /** A value may be a map; as text it is JSON. */
  readonly map?: true;
  /** Turns text (environment, or a quoted value in a file) into a value; what does not fit stays as it is. */
  fromText(text: string): unknown;
  /** `undefined` when `value` is a `T`, else why not, as the end of "x …". */
  problem(value: unknown): string | undefined;
  /** Brings an accepted value into its one form. */
  normalise?(value: T): T;
}

export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Format<number> {
  const says = max === Number.MAX_SAFE_INTEGER ? `integer, at least ${min}` : `integer, ${min} to ${max}`;
  return {
    name: `integer ${min}..${max}`,
    says,
    schema: { type: "integer", minimum: min, ...(max === Number.MAX_SAFE_INTEGER ? {} : { maximum: max }) },
    fromText: (text) => (/^-?\d{1,16}$/.test(text.trim()) ? Number(text) : text),
    problem: (value) =>
      typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max
        ? undefined
        : `is not an ${says}`,
  };
}

export const port: Format<number> = { ...integer(1, 65_535), name: "port" };
/** A port to listen on; 0 asks the system for a free one. */
export const listenPort: Format<number> = { ...integer(0, 65_535), name: "listen port" };

export const boolean: Format<boolean> = {
  name: "boolean",
  says: "true or false",
  schema: { type: "boolean" },
  fromText: (text) => {
    const word = text.trim().toLowerCase();
    if (word === "true" || word === "false") return word === "true";
    return text;
  },
  problem: (value) => (typeof value === "boolean" ? undefined : "is neither true nor false"),
};

export interface TextRules {
  readonly name: string;
  readonly says: string;
  readonly pattern?: RegExp;
  /** Further rule; returns why not. */
  readonly check?: (text: string) => string | undefined;
  readonly normalise?: (text: string) => string;
}

export function text(rules: TextRules): Format<string> {
  return {
    name: rules.name,
    says: rules.says,
    schema: { type: "string", ...(rules.pattern === undefined ? {} : { pattern: rules.pattern.source }) },
    fromText: (value) => value,
    problem: (value) => {
      if (typeof value === "number" || typeof value === "boolean") return "is not text; put it in quotes";
      if (typeof value !== "string") return "is not text";
      if (value === "") return "is empty";
      if (/\p{Cc}/u.test(value)) return "holds a control character";
      if (rules.pattern !== undefined && !rules.pattern.test(value)) return `is not ${rules.says}`;
      return rules.check?.(value);
    },
    ...(rules.normalise === undefined ? {} : { normalise: rules.normalise }),
  };
}

/** Of a stream, a bucket or a domain. */
export const natsName: Format<string> = text({
  name: "NATS name",
  says: "a name of A-Z a-z 0-9 _ -, at most 64",
  pattern: /^[A-Za-z0-9_-]{1,64}$/,
});

export const subjectPrefix: Format<string> = text({
  name: "subject prefix",
  says: "one word of A-Z a-z 0-9 _ -, at most 32",
  pattern: /^[A-Za-z0-9_-]{1,32}$/,
});

/** One of a fixed set of words. */
export function oneOf<const T extends string>(...values: readonly T[]): Format<T> {
  return {
    name: `one of ${values.join(" ")}`,
    says: values.map((value) => `\`${value}\``).join(", "),
    schema: { enum: values },
    fromText: (value) => value.trim(),
    problem: (value) => {
      if (values.some((one) => one === value)) return undefined;
      const quotes = typeof value === "number" ? "; put it in quotes" : "";
      return `is not one of ${values.join(", ")}${quotes}`;
    },
  };
}

/** As the environment writes lists: `a,b`. Blanks around entries do not count. */
export function listOf<T>(item: Format<T>): Format<readonly T[]> {
  return {
    name: `list of ${item.name}`,
    says: `list of: ${item.says}`,
    schema: { type: "array", items: item.schema },
    fromText: (value) =>
      value
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .map((part) => item.fromText(part)),
    problem: (value) => {
      if (!Array.isArray(value)) return "is not a list";
      for (const one of value as readonly unknown[]) {
        const why = item.problem(one);
        if (why !== undefined) return `has ${redactLogins(JSON.stringify(one))}, which ${why}`;
      }
      return undefined;
    },
    normalise: (value) =>
      Object.freeze(value.map((one) => (item.normalise === undefined ? one : item.normalise(one)))),
  };
}

/** A value that may be left out; its default is `undefined`. */
export function optional<T>(format: Format<T>): Format<T | undefined> {
  return {
    name: `optional ${format.name}`,
    says: format.says,
    schema: format.schema,
    ...(format.map === undefined ? {} : { map: format.map }),
    fromText: (value) => format.fromText(value),
    problem: (value) => (value === undefined ? undefined : format.problem(value)),
    normalise: (value) =>
      value === undefined || format.normalise === undefined ? value : format.normalise(value),
  };
}

export const plainText: Format<string> = text({ name: "text", says: "text" });
export const filePath: Format<string> = text({ name: "file", says: "path of a file" });
/** IPv6 addresses with or without the brackets that they wear in URLs. */
export const host: Format<string> = text({
  name: "host",
  says: "a host name or address",
  check: (value) => {
    const parsed = parseHostAndPort(value);
    if (parsed === undefined) return "is not a host name or address";
    return parsed.port === undefined ? undefined : "has a port, which is a setting of its own";
  },
  normalise: (value) => parseHostAndPort(value)?.host ?? value,
});
/** Host with an optional port; IPv6 addresses with a port in brackets. */
export const hostAndPort: Format<string> = text({
  name: "host[:port]",
  says: "a host name or address, with or without :port",
  check: (value) =>
    parseHostAndPort(value) === undefined ? "is not host, host:port or [ipv6]:port" : undefined,
});
export const shareName: Format<string> = text({
  name: "share",
  says: "the name of a share, without slashes",
  pattern: /^[^/\\:*?"<>|]{1,80}$/,
});
export const sharePath: Format<string> = text({
  name: "share path",
  says: "a path below the share, with /",
  check: (value) => {
    try {
      canonicalPath(value);
      return undefined;
    } catch {
      return 'is not a path: no "." or "..", no backslash, no control characters';
    }
  },
  normalise: canonicalPath,
});
const NATS_URL = "nats://host[:port], tls://host[:port] or host[:port]";
export const natsUrl: Format<string> = text({
  name: "nats url",
  says: NATS_URL,
  check: (value) => {
    const [, scheme, login, place = ""] = /^(?:([^:/]*):\/\/)?(?:(.*)@)?(.*?)\/?$/s.exec(value) ?? [];
    if (scheme !== undefined && !/^(nats|tls)$/i.test(scheme)) {
      return /^wss?$/i.test(scheme) ? "is NATS over WebSocket, which is not spoken" : `is not ${NATS_URL}`;
    }
    // The client would drop it without a word.
    if (login !== undefined)
      return "has a login in it; it is read from nats.user and passwordFile, or tokenFile";
    return parseHostAndPort(place) === undefined ? `is not ${NATS_URL}` : undefined;
  },
});
export const httpUrl: Format<string> = text({
  name: "http url",
  says: "a URL beginning with https:// or http://",
  check: (value) =>
    URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) ? undefined : "is not an http(s) URL",
});
export const wsUrl: Format<string> = text({
  name: "ws url",
  says: "a URL beginning with wss:// or ws://, without login and fragment",
  check: (value) => {
    const url = /^wss?:\/\/[^\s\\]+$/i.test(value) && URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined) return "is not a ws(s) URL";
    if (url.username !== "" || url.password !== "")
      return "has a login in it; the client's token is passed on";
    return value.includes("#") ? "has a fragment, which no WebSocket has" : undefined;
  },
});
export const frameType: Format<string> = text({
  name: "frame type",
  says: "the type of a frame: A-Z a-z 0-9 _ . : -, at most 64",
  pattern: /^[A-Za-z0-9_.:-]{1,64}$/,
});
export const origin: Format<string> = text({
  name: "origin",
  says: "an origin such as https://app.example.org, or *",
  check: (value) =>
    value === "*" || (URL.canParse(value) && new URL(value).origin === value.toLowerCase())
      ? undefined
      : "is not an origin (scheme://host[:port] without path), nor *",
});
export const addressRange: Format<string> = text({
  name: "address range",
  says: "an IP address or a range such as 10.0.0.0/8",
  pattern: /^[0-9A-Fa-f.:]+(\/\d{1,3})?$/,
});
export const connectionName: Format<string> = text({
  name: "connection name",
  says: "a connection's name: a-z 0-9 _ -, at most 63, not beginning with _ or -",
  pattern: /^[a-z0-9][a-z0-9_-]{0,62}$/,
});
export const dialect: Format<"2.0.2" | "2.1" | "3.0" | "3.0.2" | "3.1.1"> = oneOf(
  "2.0.2",
  "2.1",
  "3.0",
  "3.0.2",
  "3.1.1",
);

/** `host`, `host:445`, `192.0.2.1:445`, `2001:db8::1`, `[2001:db8::1]:445`; `undefined` when it is none of them. */
export function parseHostAndPort(
  value: string,
): { readonly host: string; readonly port: number | undefined } | undefined {
  const bracket = /^\[([^\]]*)\](?::(\d{1,5}))?$/.exec(value);
  if (bracket?.[1] !== undefined && isIP(bracket[1]) !== 6) return undefined;
  const plain = /^([A-Za-z0-9_.-]+)(?::(\d{1,5}))?$/.exec(value);
  const match = bracket ?? plain;
  if (match === null || match[1] === undefined)
    return isIP(value) === 6 ? { host: value, port: undefined } : undefined;
  const number = match[2] === undefined ? undefined : Number(match[2]);
  if (number !== undefined && (number < 1 || number > 65_535)) return undefined;
  return { host: match[1], port: number };
}

/** RFC 6901. Empty is the whole document. */
export const jsonPointer: Format<string> = {
  ...text({ name: "JSON pointer", says: "a JSON pointer such as /items, or nothing" }),
  problem: (value) =>
    typeof value === "string" && /^(?:\/(?:[^~/\p{Cc}]|~[01])*)*$/u.test(value)
      ? undefined
      : "is not a JSON pointer such as /items",
};
export const headerName: Format<string> = text({
  name: "header",
  says: "the name of an HTTP header",
  pattern: /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/,
});
