import convict from "convict";
import { type Origin, type Problem, showValue } from "../config-error.ts";
import { nearest } from "../nearest.ts";
import { isMap } from "./file.ts";
import type { Format } from "./formats.ts";
import { isOption, type Leaf, leavesOf, type Option } from "./schema.ts";

export interface LayerInput {
  /** Tree of options (`OptionTree`). */
  readonly tree: object;
  /** Key of the tree in the whole configuration: `""` or `connections.nas1`. */
  readonly prefix: string;
  readonly data: Record<string, unknown>;
  readonly dataOrigin: Origin;
  readonly env: Record<string, string>;
  readonly variableOf: (leaf: Leaf) => string | undefined;
}

export interface LayerContext {
  readonly problems: Problem[];
  readonly origins: Map<string, Origin>;
}

/**
 * Lays defaults, file and environment over one another with convict, and checks every value.
 * convict's own `validate` tells its findings in one string; operators get one line each, so the
 * checks run here.
 */
export function layer(input: LayerInput, context: LayerContext): Record<string, unknown> {
  const data = prune(input.tree, input.data, input.prefix, input, context);
  const leaves = leavesOf(input.tree);
  const layers = convict<Record<string, unknown>>(convictSchema(input.tree, input), {
    env: input.env,
    args: [],
  });
  layers.load(data);

  const result: Record<string, unknown> = {};
  for (const leaf of leaves) {
    const key = fullKey(input.prefix, leaf.key);
    const variable = input.variableOf(leaf);
    const fromEnv = variable !== undefined && input.env[variable] !== undefined;
    if (fromEnv) context.origins.set(key, { source: "env", detail: variable });
    else if (!context.origins.has(key)) context.origins.set(key, { source: "default" });
    setDeep(result, leaf.key, checked(leaf.option, layers.get(leaf.key), key, context));
  }
  return result;
}

function checked(option: Option<unknown>, value: unknown, key: string, context: LayerContext): unknown {
  const origin = context.origins.get(key);
  if (origin?.source === "default") {
    if (option.required === true) context.problems.push({ key, reason: "is missing" });
    return option.default;
  }
  const reason = option.format.problem(value);
  if (reason !== undefined) {
    // Where the path of a secret was expected, the secret itself is what people put.
    const shown = option.secretFile === true ? undefined : showValue(key, value);
    context.problems.push({
      key,
      ...(shown === undefined ? {} : { value: shown }),
      reason,
      ...(origin && { origin }),
    });
    return option.default;
  }
  return option.format.normalise === undefined ? value : option.format.normalise(value);
}

/** What of `data` the tree knows; everything else becomes a problem. Empty keys (`a:`) count as absent. */
function prune(
  tree: object,
  data: Record<string, unknown>,
  prefix: string,
  input: LayerInput,
  context: LayerContext,
): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(data)) {
    const key = fullKey(prefix, name);
    const node: unknown = Object.hasOwn(tree, name) ? Reflect.get(tree, name) : undefined;
    const origin = input.dataOrigin;
    if (node === undefined) {
      context.problems.push({ key, ...unknownKey(name, prefix, tree, input), origin });
    } else if (value === null || value === undefined) {
      context.origins.delete(key);
    } else if (isOption(node)) {
      context.origins.set(key, origin);
      // convict walks into maps it does not expect, and throws.
      if (isMap(value) && node.format.map === true) kept[name] = JSON.stringify(value);
      else if (isMap(value)) {
        context.problems.push({ key, reason: node.format.problem(value) ?? "is a map", origin });
      } else kept[name] = value;
    } else if (isMap(value)) {
      kept[name] = prune(node as object, value, key, input, context);
    } else {
      context.problems.push({
        key,
        value: showValue(key, value),
        reason: "is not a map of settings",
        origin,
      });
    }
  }
  return kept;
}

function unknownKey(
  name: string,
  prefix: string,
  tree: object,
  input: LayerInput,
): Pick<Problem, "reason" | "nearest"> {
  const sibling = nearest(name, Object.keys(tree));
  const elsewhere = leavesOf(input.tree).find(({ key }) => key.split(".").at(-1) === name)?.key;
  const meant =
    sibling === undefined ? elsewhere && fullKey(input.prefix, elsewhere) : fullKey(prefix, sibling);
  return { reason: "is not a known key", ...(meant === undefined ? {} : { nearest: meant }) };
}

function convictSchema(
  tree: object,
  input: LayerInput,
  prefix = "",
): convict.Schema<Record<string, unknown>> {
  const schema: Record<string, unknown> = {};
  for (const [name, node] of Object.entries(tree) as [string, unknown][]) {
    const key = `${prefix}${name}`;
    if (!isOption(node)) {
      schema[name] = convictSchema(node as object, input, `${key}.`);
      continue;
    }
    const env = input.variableOf({ key, option: node });
    register(node.format);
    schema[name] = {
      doc: node.doc,
      default: node.default,
      format: convictName(node.format),
      ...(env && { env }),
    };
  }
  return schema as convict.Schema<Record<string, unknown>>;
}

const registered = new Set<string>();

function convictName(format: Format<unknown>): string {
  return `smb2nats ${format.name}`;
}

function register(format: Format<unknown>): void {
  const name = convictName(format);
  if (registered.has(name)) return;
  registered.add(name);
  convict.addFormat({
    name,
    validate: (value: unknown) => {
      const reason = format.problem(value);
      if (reason !== undefined) throw new Error(reason);
    },
    coerce: (value: unknown) => (typeof value === "string" ? format.fromText(value) : value),
  });
}

export function fullKey(prefix: string, name: string): string {
  return prefix === "" ? name : `${prefix}.${name}`;
}

function setDeep(target: Record<string, unknown>, key: string, value: unknown): void {
  const steps = key.split(".");
  const last = steps.pop() as string;
  let node = target;
  for (const step of steps) {
    node[step] ??= {};
    node = node[step] as Record<string, unknown>;
  }
  node[last] = value;
}
