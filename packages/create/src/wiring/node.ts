/**
 * Hono and Express on Node: an entry file makes the app, and tsx runs it with the packages' sources.
 *
 * @module
 */

import type { Edit } from '../receipt.ts'
import {
  type App,
  type Framework,
  inSource,
  optionsOf,
  scriptEdit,
  sourcesInTsconfig,
} from './framework.ts'

const NAMES = ['index', 'server', 'app', 'main']
const ENTRIES = ['src/', ''].flatMap((folder) => NAMES.map((name) => `${folder}${name}.ts`))

/** A framework whose entry file has `makes`, such as `new Hono(`. */
function onNode(of: { name: string; title: string; dependency: string; makes: string }): Framework {
  return {
    name: of.name,
    title: of.title,
    port: 3000,
    folder: `packages/create/templates/${of.name}`,
    find(app) {
      if (app.dependencies[of.dependency] === undefined) return null
      const makesApp = (path: string) => app.read(path)?.includes(of.makes) === true
      const entry = ENTRIES.find(makesApp)
      return entry === undefined ? null : { entry, source: entry.startsWith('src/') ? 'src/' : '' }
    },
    place: inSource,
    edits(app, { entry }) {
      const path = entry ?? ''
      const file = path.replace(/^src\//, '')
      return [
        ...sourcesInTsconfig(app),
        ...compilerEdits(app),
        { file: path, keys: ['mount'], value: './lib/mount.ts' },
        scriptEdit('dev', `tsx watch ${path}`, `tsx watch --conditions=source ${path}`),
        scriptEdit(
          'start',
          `node dist/${file.replace(/ts$/, 'js')}`,
          `node --conditions=source --import tsx ${path}`,
        ),
      ]
    },
    dependencies: [],
    next: 'Write your routes: requireUser and the like are in lib/mount.ts.',
  }
}

/** `tsc` checks types and writes nothing, because Node runs the sources. */
function compilerEdits(app: App): Edit[] {
  const options = optionsOf(app)
  if (options === null) return []
  const edit = (keys: string[], value: string) => ({
    file: 'tsconfig.json',
    keys: ['compilerOptions', ...keys],
    value,
  })
  return [
    edit(['noEmit'], 'true'),
    // Without the option the compiler finds Node's types by itself.
    ...(Array.isArray(options.types) ? [edit(['types', '+node'], '')] : []),
  ]
}

export const hono = onNode({ name: 'hono', title: 'Hono', dependency: 'hono', makes: 'new Hono' })

export const express = onNode({
  name: 'express',
  title: 'Express',
  dependency: 'express',
  makes: 'express(',
})
