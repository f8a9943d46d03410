/** As much of JSON Schema as docs/asyncapi.yaml uses. A keyword that is not known here is an error, not a pass. */
export type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(["description", "title", "default", "examples"]);
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

export interface CheckOptions {
  /** The document that `$ref` points into. */
  readonly root: unknown;
  /** Gets `<pointer of the schema>/<member>` for each member that a value had. */
  readonly seen?: Set<string>;
}

/**
 * What is wrong with `value`; empty when nothing is. A member that no schema describes is wrong: the
 * document must not lag behind.
 */
export function problems(
  schema: Schema,
  value: unknown,
  options: CheckOptions,
  at = "$",
  name = "#",
): string[] {
  const described = new Set<string>();
  const found = check(schema, value, options, at, name, described);
  if (isObject(value) && describesMembers(schema, options.root)) {
    for (const member of Object.keys(value)) {
      if (!described.has(member)) found.push(`${at}.${member} is not described`);
    }
  }
  return found;
}

/** What a local `$ref` points to. @throws Error where it points nowhere */
export function resolve(root: unknown, ref: string): unknown {
  if (!ref.startsWith("#/")) throw new Error(`not a local reference: ${ref}`);
  let target = root;
  for (const part of ref.slice(2).split("/")) {
    target = isObject(target) ? target[part.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  }
  if (target === undefined) throw new Error(`nothing at ${ref}`);
  return target;
}

export function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function check(
  schema: Schema,
  value: unknown,
  options: CheckOptions,
  at: string,
  name: string,
  described: Set<string>,
): string[] {
  const found: string[] = [];
  const wrong = (why: string): void => void found.push(`${at} ${why}`);
  for (const [keyword, argument] of Object.entries(schema)) {
    if (ANNOTATIONS.has(keyword)) continue;
    switch (keyword) {
      case "$ref":
        found.push(
          ...check(
            resolve(options.root, String(argument)) as Schema,
            value,
            options,
            at,
            String(argument),
            described,
          ),
        );
        break;
      case "type":
        if (!hasType(value, argument)) wrong(`is not ${argument}: ${JSON.stringify(value)}`);
        break;
      case "const":
        if (value !== argument) wrong(`is not ${JSON.stringify(argument)}`);
        break;
      case "enum":
        if (!(argument as unknown[]).includes(value)) wrong(`is none of ${JSON.stringify(argument)}`);
        break;
      case "required":
        for (const member of argument as string[]) {
          if (isObject(value) && value[member] === undefined) wrong(`lacks ${member}`);
        }
        break;
      case "properties":
        if (isObject(value)) {
          for (const [member, inner] of Object.entries(argument as Record<string, Schema>)) {
            described.add(member);
            if (value[member] === undefined) continue;
            options.seen?.add(`${name}/${member}`);
            found.push(...problems(inner, value[member], options, `${at}.${member}`, `${name}/${member}`));
          }
        }
        break;
      case "items":
        if (Array.isArray(value)) {
          for (const [index, item] of value.entries()) {
            found.push(...problems(argument as Schema, item, options, `${at}[${index}]`, `${name}/items`));
          }
        }
        break;
      case "allOf":
        for (const part of argument as Schema[])
          found.push(...check(part, value, options, at, name, described));
        break;
      case "anyOf": {
        const failures = (argument as Schema[]).map((part) =>
          problems(part, value, { root: options.root }, at),
        );
        if (failures.every((failure) => failure.length > 0)) wrong("fits no alternative");
        break;
      }
      case "minItems":
        if (Array.isArray(value) && value.length < Number(argument)) wrong("has too few items");
        break;
      case "maxItems":
        if (Array.isArray(value) && value.length > Number(argument)) wrong("has too many items");
        break;
      case "minLength":
        if (typeof value === "string" && value.length < Number(argument)) wrong("is too short");
        break;
      case "maxLength":
        if (typeof value === "string" && value.length > Number(argument)) wrong("is too long");
        break;
      case "minimum":
        if (typeof value === "number" && value < Number(argument)) wrong("is too small");
        break;
      case "maximum":
        if (typeof value === "number" && value > Number(argument)) wrong("is too large");
        break;
      case "pattern":
        if (typeof value === "string" && !new RegExp(String(argument), "u").test(value))
          wrong(`is not ${argument}`);
        break;
      case "format":
        if (argument !== "date-time") throw new Error(`format ${argument} is not known here`);
        if (typeof value === "string" && !DATE_TIME.test(value)) wrong("is not a date-time");
        break;
      default:
        throw new Error(`keyword ${keyword} at ${name} is not known here`);
    }
  }
  return found;
}

function hasType(value: unknown, type: unknown): boolean {
  if (type === "object") return isObject(value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function describesMembers(schema: Schema, root: unknown): boolean {
  if (schema["properties"] !== undefined || schema["type"] === "object") return true;
  const parts = [
    ...(typeof schema["$ref"] === "string" ? [resolve(root, schema["$ref"])] : []),
    ...((schema["allOf"] ?? []) as unknown[]),
  ];
  return parts.some((part) => isObject(part) && describesMembers(part, root));
}
