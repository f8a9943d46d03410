/** One at a time among all processes of this checkout, by a folder in `.cache/`. Returns the release. */
export function lock(name: string): () => void;
