import { useDirectory } from "./use-directory.js";

/** A directory as a table. `onOpen` gets the path of a sub-directory that was clicked. */
export function Listing({ connection, path, onOpen }) {
  const { status, entries, error } = useDirectory(connection, path);
  return (
    <section aria-label={`${connection} ${path}`}>
      <h2>
        {connection} {path}
      </h2>
      <p role="status">
        {status}
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
          {entries.map(({ name, type, size, modified }) => (
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
              <td>{type === "file" ? size.toLocaleString() : ""}</td>
              <td>
                <time dateTime={modified}>{new Date(modified).toLocaleString()}</time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
