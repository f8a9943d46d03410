import { type Format, filePath, optional, plainText } from "./formats.ts";

/** One value an operator can set. Units are in the key's name. */
export interface Option<T> {
  readonly doc: string;
  readonly format: Format<T>;
  readonly default: T;
  /** Must be set: the default is a placeholder. */
  readonly required?: true;
  /** Set where the name is not `SMB2NATS_` and the path in upper snake case. */
  readonly env?: string;
  /** The file behind this path holds a secret and is watched for changes. */
  readonly secretFile?: true;
}

/** Same shape as the configuration it describes, with an option at each leaf: the compiler holds them together. */
export type OptionTree<C> = {
  readonly [K in keyof C]: K extends "ready"
    ? Option<C[K]>
    : [C[K]] extends [string | number | boolean | readonly unknown[] | undefined]
      ? Option<C[K]>
      : OptionTree<C[K]>;
};

export function option<T>(
  format: Format<T>,
  value: NoInfer<T>,
  doc: string,
  more: Partial<Pick<Option<T>, "required" | "env" | "secretFile">> = {},
): Option<T> {
  return { doc, format, default: value, ...more };
}

export const file = (doc: string): Option<string | undefined> => option(optional(filePath), undefined, doc);
export const secretFile = (doc: string, env?: string): Option<string | undefined> =>
  option(optional(filePath), undefined, doc, { secretFile: true, ...(env === undefined ? {} : { env }) });
export const word = (doc: string, env?: string): Option<string | undefined> =>
  option(optional(plainText), undefined, doc, env === undefined ? {} : { env });

/** An option and where it stands. */
export interface Leaf {
  /** Dotted, relative to its tree: `gateway.auth.mode`. */
  readonly key: string;
  readonly option: Option<unknown>;
}

/** All options of a tree, in order of declaration. */
export function leavesOf(tree: OptionTree<never> | object, prefix = ""): Leaf[] {
  return Object.entries(tree).flatMap(([name, node]: [string, unknown]) => {
    const key = `${prefix}${name}`;
    return isOption(node) ? [{ key, option: node }] : leavesOf(node as object, `${key}.`);
  });
}

export function isOption(node: unknown): node is Option<unknown> {
  return typeof node === "object" && node !== null && "format" in node && "doc" in node;
}

/** `gateway.auth.jwksUrl` -> `SMB2NATS_GATEWAY_AUTH_JWKS_URL`. */
export function envName(key: string): string {
  const snake = key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(/[.-]/g, "_");
  return `SMB2NATS_${snake.toUpperCase()}`;
}
