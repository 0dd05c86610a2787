/** Type-checks the TypeScript that documentation shows, as a host would compile it. */

import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** A block of a page or of a doc comment. */
export interface Block {
  /** The file or export that shows the block. The compiler's messages name it. */
  from: string
  language: string
  code: string
  /** The line of the page or comment before the block's first line. */
  before: number
}

/** The TypeScript blocks of a Markdown text. */
export const blocksOf = (from: string, markdown: string): Block[] =>
  [...markdown.matchAll(/^```(tsx?)\n([\s\S]*?)^```/gm)].map(
    ({ 1: language = 'ts', 2: code = '', index }) => ({
      ...{ from, language, code },
      before: markdown.slice(0, index).split('\n').length,
    }),
  )

/**
 * The compiler's errors about the blocks, each compiled as a module, with the lines of the pages that show them; empty
 * if there are none. `name`: of a folder.
 */
export async function typeCheck(name: string, blocks: readonly Block[]): Promise<string> {
  const folder = join(ROOT, 'packages/demo/node_modules', name)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const files: string[] = []
  for (const { from, language, code } of blocks) {
    const pragma = language === 'tsx' ? PRAGMA : ''
    const file = `${from.replaceAll(/\W/g, '-')}-${files.length}.${language}`
    await writeFile(join(folder, file), `${pragma}${code}\nexport {}\n`)
    files.push(file)
  }
  const config = {
    extends: '../../../../tsconfig.base.json',
    compilerOptions: { noUnusedLocals: false },
    files,
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  return promisify(execFile)(process.execPath, [tsc, '-p', folder]).then(
    () => '',
    (error: { stdout: string }) => inPages(error.stdout, files, blocks),
  )
}

const PRAGMA = '/** @jsxImportSource react */\n'

/** The compiler's output, with the places in the pages instead of those in the compiled files. */
function inPages(output: string, files: readonly string[], blocks: readonly Block[]): string {
  const errors = output.replaceAll(/^(?:.*\/)?([^/\n(]+)\((\d+),(\d+)\)/gm, (place, file, line) => {
    const block = blocks[files.indexOf(file)]
    if (!block) return place
    const skipped = block.language === 'tsx' ? 1 : 0
    return `${block.from}, line ${block.before + Number(line) - skipped}`
  })
  return `Correct these examples; they are compiled as a host would compile them.\n${errors}`
}
