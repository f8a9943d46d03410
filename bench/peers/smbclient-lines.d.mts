export function parseNotify(line: string): { readonly name: string | undefined; readonly overflow: boolean };
export function isEntry(line: string): boolean;
