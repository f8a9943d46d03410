import { createContext, useContext, useMemo, useSyncExternalStore } from "react";
import { Directory } from "./directory.js";

/** The client that `connect` of smb2nats/client returns: one for the whole page. */
export const GatewayContext = createContext(undefined);

/**
 * The entries of a directory, always as they are now: `{ status, entries, error? }`.
 * @param {string} connection
 * @param {string} path
 */
export function useDirectory(connection, path) {
  const client = useContext(GatewayContext);
  const directory = useMemo(() => new Directory(client, connection, path), [client, connection, path]);
  return useSyncExternalStore(directory.subscribe, directory.getSnapshot, directory.getSnapshot);
}
