import { useMemo } from "react";
import { useDirectory } from "./use-directory.js";

const names = new Intl.Collator(undefined, { numeric: true });
const foldersFirst = (a, b) =>
  Number(b.type === "directory") - Number(a.type === "directory") || names.compare(a.name, b.name);

/** A directory as a table. `onOpen` gets the path of a sub-directory that was clicked. */
export function Listing({ connection, path, onOpen }) {
  const { state, entries, error } = useDirectory(connection, path);
  const sorted = useMemo(() => [...entries].sort(foldersFirst), [entries]);
  return (
    <section aria-label={`${connection} ${path}`}>
      <h2>
        {connection} {path}
      </h2>
      <p role="status">
        {state}
        {error !== undefined && `: ${error}`}
      </p>
      <table>
        <thead>
          <tr>
            <th>Name</th>
            <th>Size</th>
            <th>Changed</th>
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ name, type, size, modified }) => (
            <tr key={name}>
              <td>
                {type === "directory" ? (
                  <button type="button" onClick={() => onOpen(`${path === "/" ? "" : path}/${name}`)}>
                    <bdi>{name}</bdi>/
                  </button>
                ) : (
                  <bdi>{name}</bdi>
                )}
              </td>
              {/* What has changed since is not known, unless changes say it: `stat: true`. */}
              <td>{type === "directory" ? "" : size?.toLocaleString()}</td>
              <td>{modified && <time dateTime={modified}>{new Date(modified).toLocaleString()}</time>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
