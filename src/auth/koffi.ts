/** The part of koffi 3 that we use. koffi is optional: nothing of it may be needed to compile. */
export interface Koffi {
  load(library: string): KoffiLibrary;
  struct(members: Readonly<Record<string, KoffiType>>): KoffiType;
  array(type: KoffiType, length: number): KoffiType;
  pointer(type: KoffiType): KoffiType;
  out(type: KoffiType): KoffiType;
  inout(type: KoffiType): KoffiType;
  decode(pointer: unknown, type: KoffiType): unknown;
  /** Foreign memory, not copied. */
  view(pointer: unknown, length: number): ArrayBuffer;
  config(settings: Readonly<Record<string, number>>): unknown;
}

/** A type's name, or what koffi made of one. */
export type KoffiType = string | { readonly koffi?: never };

export interface KoffiLibrary {
  func(name: string, result: KoffiType, parameters: readonly KoffiType[]): KoffiFunction;
}

export interface KoffiFunction {
  (...parameters: readonly unknown[]): unknown;
  /** The same call on a thread of libuv's pool; the last parameter is a callback `(error, result)`. */
  readonly async: (...parameters: readonly unknown[]) => void;
}

/** A name that the compiler does not resolve. */
const PACKAGE: string = "koffi";

/** @throws what `import` throws where koffi is not installed, or not for this platform. */
export async function importKoffi(): Promise<Koffi> {
  const module = (await import(PACKAGE)) as { readonly default: Koffi };
  return module.default;
}
