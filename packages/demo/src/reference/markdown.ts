/**
 * The API reference as Markdown: a page for each package, with a section for each entry. An export is shown with its
 * type, its documentation and its members.
 *
 * @module
 */

import type { Seen } from './surface.ts'

/** A page of the reference. */
export interface Page {
  /** The file's name, such as `billing.md`. */
  file: string
  /** The whole page. */
  markdown: string
}

const packageOf = ({ entry }: Pick<Seen, 'entry'>) => entry.split('/')[1] ?? entry

/** The type on one line. `| undefined` is left out for an optional member, which may always be undefined. */
const typeOf = ({ type, isOptional }: Seen) =>
  type.replace(/\s+/g, ' ').replace(isOptional ? / \| undefined$/ : /$^/, '')

/** GitHub's anchor of a heading. */
const anchorOf = ({ entry, path }: Pick<Seen, 'entry' | 'path'>) =>
  `${path} of ${entry}`
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

const linkTo = (target: Seen) => `[\`${target.path}\`](${packageOf(target)}.md#${anchorOf(target)})`

/** Makes the pages. The first page lists every export. */
export function renderReference(surface: readonly Seen[]): Page[] {
  const exports = surface.filter(({ isExport }) => isExport)

  const tagsOf = ({ tags }: Seen): string[] =>
    tags.flatMap(({ name, text = '' }) => {
      const words = text.replace(/\s+/g, ' ').trim()
      if (name === 'example') return [text.trim()]
      if (name === 'throws') return [`**Throws** ${words}`]
      if (name === 'see') return [`**See** ${words}`]
      if (name === 'param') return [`\`${words.replace(' ', '`: ')}`]
      return name === 'returns' ? [`**Returns** ${words}`] : []
    })

  const memberLine = (member: Seen): string => {
    const throwing = tagsOf(member).filter((text) => text.startsWith('**Throws**'))
    const said = [member.text, ...throwing].join(' ').replace(/\s+/g, ' ')
    return `- \`${member.name}${member.isOptional ? '?' : ''}: ${typeOf(member)}\`${said.trim() ? `: ${said.trim()}` : ''}`
  }

  const section = (each: Seen): string => {
    const members = each.members.map(memberLine)
    return [
      `### ${each.path} of ${each.entry}`,
      ...(each.type === '' ? [] : [`\`\`\`ts\n${each.path}: ${each.type}\n\`\`\``]),
      each.text,
      ...tagsOf(each),
      ...(members.length > 0 ? [members.join('\n')] : []),
    ]
      .filter((part) => part !== '')
      .join('\n\n')
  }

  const names = [...new Set(exports.map(packageOf))]
  const pages = names.map((name) => {
    const own = exports.filter((each) => packageOf(each) === name)
    const entries = [...new Set(own.map(({ entry }) => entry))].map((entry) => {
      const sections = own.filter((each) => each.entry === entry).map(section)
      return `## ${entry}\n\n${sections.join('\n\n')}`
    })
    return { file: `${name}.md`, markdown: `# @repo/${name}\n\n${entries.join('\n\n')}\n` }
  })
  const lists = names.map((name) => {
    const links = exports.filter((each) => packageOf(each) === name).map(linkTo)
    return `## [@repo/${name}](${name}.md)\n\n${links.join(' · ')}`
  })
  const index = `# API reference\n\nWritten by \`pnpm docs:api\` from the doc comments of the sources.\n\n${lists.join('\n\n')}\n`
  return [{ file: 'README.md', markdown: index }, ...pages]
}
