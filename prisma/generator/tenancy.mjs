/**
 * A Prisma generator: writes what tenant isolation has to know of each model, its `@tenancy` and its
 * relations, to `src/tenancy/generated/models.ts`. `prisma generate` starts it and speaks JSON-RPC
 * with it, requests on standard input, answers on standard error.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const DECLARATION = /^@tenancy (organization|owner|global)((?: \w+)*)$/m

/** `{ tenancy, by, relations }` of one model; a model without a declaration belongs to no one. */
function describe(model, models) {
  const [, tenancy = 'undeclared', by = ''] = DECLARATION.exec(model.documentation ?? '') ?? []
  const relations = model.fields.filter((field) => field.kind === 'object')
  const backwards = (relation) =>
    models
      .find(({ name }) => name === relation.type)
      .fields.find((field) => field.relationName === relation.relationName && field !== relation)
  return {
    table: model.dbName ?? model.name,
    tenancy,
    by: by.trim() === '' ? [] : by.trim().split(' '),
    columns: model.fields.filter((field) => field.kind !== 'object').map(({ name }) => name),
    relations: Object.fromEntries(
      relations.map((relation) => [
        relation.name,
        {
          model: relation.type,
          list: relation.isList,
          optional: !relation.isRequired,
          from: relation.relationFromFields,
          to: relation.relationToFields,
          backwards: backwards(relation).relationFromFields,
        },
      ]),
    ),
  }
}

async function generate({ generator, dmmf }) {
  const { models } = dmmf.datamodel
  const described = Object.fromEntries(models.map((model) => [model.name, describe(model, models)]))
  const folder = generator.output.value
  await mkdir(folder, { recursive: true })
  await writeFile(
    join(folder, 'models.ts'),
    `import type { Models } from '../model.ts'\n\nexport const models: Models = ${JSON.stringify(described, null, 2)}\n`,
  )
  return null
}

const methods = {
  getManifest: () => ({
    manifest: { prettyName: 'Tenancy', defaultOutput: '../src/tenancy/generated' },
  }),
  generate,
}

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  const result = await methods[method](params)
  process.stderr.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
}
