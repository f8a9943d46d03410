import type { Tree } from "../login/index.ts";
import { closeFile, closeQuietly, createdOf, createTemporary, orphanCloser } from "./open.ts";

/** An empty file of our own, to see whether a change is told. It is gone at the latest with the connection. */
export interface TemporaryFile {
  /** Removes it. @throws the connection's errors */
  remove(): Promise<void>;
}

/** @throws SmbStatusError and what `exchange` throws */
export async function makeTemporary(
  tree: Tree,
  name: string,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<TemporaryFile> {
  const [response] = await tree.exchange([createTemporary(tree, name)], {
    signal,
    orphan: orphanCloser(tree),
  });
  const { fileId } = createdOf(tree, response);
  let open = true;
  return {
    remove: async () => {
      if (!open) return;
      open = false;
      try {
        await tree.exchange([closeFile(fileId)]);
      } catch (error) {
        await closeQuietly(tree, fileId);
        throw error;
      }
    },
  };
}
