/**
 * Reads CSV by RFC 4180 as it arrives: quoted values may hold commas, quotes and line breaks. Memory holds one record,
 * whose length is bounded.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4180
 * @module
 */

/** The longest record, in characters. A missing quote would otherwise swallow the rest of the file. */
const LONGEST = 100_000

/** The records of a text that comes in pieces. Null: a record is malformed; the rest of the text is not read. */
export async function* readCsv(
  pieces: AsyncIterable<string>,
): AsyncGenerator<string[] | null, void> {
  let record: string[] = []
  let value = ''
  let length = 0
  /** Within quotes; after a quote that may end them; or outside. */
  let at: 'plain' | 'quoted' | 'quote' = 'plain'
  for await (const piece of pieces) {
    for (const letter of piece) {
      length += 1
      if (length > LONGEST) {
        yield null
        return
      }
      if (at === 'quoted') {
        if (letter === '"') at = 'quote'
        else value += letter
      } else if (letter === '"' && (at === 'quote' || value === '')) {
        // Two quotes within quotes are one.
        if (at === 'quote') value += letter
        at = 'quoted'
      } else if (letter === ',') {
        record.push(value)
        value = ''
        at = 'plain'
      } else if (letter === '\n' || letter === '\r') {
        // Each of the two ends a line; the empty line between both is left out.
        record.push(value)
        if (record.length > 1 || value !== '') yield record
        record = []
        value = ''
        length = 0
        at = 'plain'
      } else if (at === 'quote') {
        yield null
        return
      } else value += letter
    }
  }
  if (at === 'quoted') yield null
  else if (record.length > 0 || value !== '') yield [...record, value]
}
