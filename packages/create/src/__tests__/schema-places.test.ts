/** Where a host's Prisma schema and its migrations are found, and what the blocks of a schema are. */

import { describe, expect, test } from 'vitest'
import { openHost } from '../host.ts'
import { findSchemas, schemaAt } from '../schema/locate.ts'
import { blocksIn, withoutBlocks } from '../schema/scan.ts'
import { type Files, temporaryFolder, write } from './fixture.ts'

const SCHEMA = 'datasource db {\n  provider = "postgresql"\n}\n'

function hostWith(files: Files) {
  const folder = temporaryFolder()
  write(folder, { 'package.json': '{ "name": "shop" }\n', ...files })
  return openHost(folder)
}

const placesIn = (files: Files) =>
  findSchemas(hostWith(files)).map(({ path, migrations }) => [path, migrations])

describe('a schema is found', () => {
  test.each<[where: string, files: Files, path: string, migrations: string]>([
    [
      'in the usual place',
      { 'prisma/schema.prisma': SCHEMA },
      'prisma/schema.prisma',
      'prisma/migrations',
    ],
    ['at the root', { 'schema.prisma': SCHEMA }, 'schema.prisma', 'migrations'],
    [
      'in a folder, with its migrations beside it',
      { 'prisma/schema/main.prisma': SCHEMA, 'prisma/migrations/1_a/migration.sql': '' },
      'prisma/schema',
      'prisma/migrations',
    ],
    [
      'in a folder, with its migrations in it',
      { 'prisma/schema/main.prisma': SCHEMA, 'prisma/schema/migrations/1_a/migration.sql': '' },
      'prisma/schema',
      'prisma/schema/migrations',
    ],
    [
      'by package.json',
      {
        'package.json': '{ "prisma": { "schema": "./db/app.prisma" } }\n',
        'db/app.prisma': SCHEMA,
      },
      'db/app.prisma',
      'db/migrations',
    ],
    [
      'by a configuration with other paths beside it',
      {
        'prisma.config.ts':
          "export default { // schema: 'x'\n  schema: `db/app.prisma`,\n  migrations: {\n    seed: 'tsx seed.ts',\n    path: \"history\",\n  },\n}\n",
        'db/app.prisma': SCHEMA,
      },
      'db/app.prisma',
      'history',
    ],
    [
      'by a configuration that names migrations alone',
      {
        '.config/prisma.mjs': "export default { migrations: { path: 'history' } }\n",
        'prisma/schema.prisma': SCHEMA,
      },
      'prisma/schema.prisma',
      'history',
    ],
    [
      'by a configuration that joins a path',
      {
        'prisma.config.ts':
          "import { join } from 'node:path'\nexport default { schema: join(__dirname, 'db', 'app.prisma') }\n",
        'db/app.prisma': SCHEMA,
      },
      'db/app.prisma',
      'db/migrations',
    ],
  ])('%s', (_, files, path, migrations) => {
    expect(placesIn(files)).toEqual([[path, migrations]])
  })
})

test.each([
  ['schema: process.env.SCHEMA', /in a form that a command cannot read/],
  ["schema: join(root, 'app.prisma')", /in a form that a command cannot read/],
  ['schema: `$' + '{root}/app.prisma`', /in a form that a command cannot read/],
  ["schema: 'gone.prisma'", /there is no such file/],
])('a configuration with %s is refused, and says what to do', (setting, message) => {
  const files = {
    'prisma.config.ts': `export default { ${setting} }\n`,
    'prisma/schema.prisma': SCHEMA,
  }
  expect(() => placesIn(files)).toThrow(message)
  expect(() => placesIn(files)).toThrow(/--schema/)
})

test.each(['../shop.prisma', 'prisma/none.prisma', 'package.json', 'src'])(
  'the path %s is no schema of the host',
  (path) => {
    const host = hostWith({ 'prisma/schema.prisma': SCHEMA, 'src/index.ts': '' })
    expect(() => schemaAt(host, path)).toThrow(/--schema/)
  },
)

test('a host without Prisma has no schema', () => {
  expect(placesIn({ 'src/index.ts': '' })).toEqual([])
})

const TRICKY = `// model A { is no model
/* model B {
} */
/// Of C. }
model C { // {
  text String @default("} model D { \\"") // }
}

enum E {
  F // }
}
model G {
}
`

test('braces in comments and texts begin and end no block', () => {
  expect(blocksIn(TRICKY).map(({ kind, name }) => `${kind} ${name}`)).toEqual([
    'model C',
    'enum E',
    'model G',
  ])
  const rest = withoutBlocks(TRICKY, ({ name }) => name === 'C' || name === 'G')
  expect(rest).toBe('// model A { is no model\n/* model B {\n} */\nenum E {\n  F // }\n}\n')
})
