/**
 * Promise 6 for the tables of a host: keys that carry the organization, with the extension and in SQL, and the
 * migration that `db:diff` writes for them.
 */

import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { createHostPackage } from '../testing/host-package.ts'
import { ALPHA } from './two-organizations.ts'
import type { Untyped } from './walls.ts'

const host = await createHostPackage(
  `
/// @tenancy organization
model Project {
  id             String       @id @default(uuid(7))
  organizationId String
  name           String
  organization   Organization @relation(fields: [organizationId], references: [id], onDelete: Cascade)
  tasks          Task[]
  notes          Note[]

  @@unique([organizationId, id])
}

/// @tenancy organization
model Task {
  id             String       @id @default(uuid(7))
  organizationId String
  projectId      String
  parentId       String?
  assigneeId     String?
  title          String
  organization   Organization @relation(fields: [organizationId], references: [id], onDelete: Cascade)
  project        Project      @relation(fields: [organizationId, projectId], references: [organizationId, id], onDelete: Cascade)
  parent         Task?        @relation("parts", fields: [organizationId, parentId], references: [organizationId, id], onDelete: Cascade)
  parts          Task[]       @relation("parts")
  assignee       User?        @relation(fields: [assigneeId], references: [id], onDelete: SetNull)

  @@unique([organizationId, id])
}

/// Without a relation to its organization, and with one that does not carry it.
/// @tenancy organization
model Note {
  id             String   @id @default(uuid(7))
  organizationId String
  projectId      String?
  answerTo       String?
  text           String
  project        Project? @relation(fields: [organizationId, projectId], references: [organizationId, id], onDelete: Cascade)
  question       Note?    @relation("answers", fields: [answerTo], references: [id])
  answers        Note[]   @relation("answers")
}
`,
  { Organization: '  projects Project[]\n  tasks Task[]', User: '  tasks Task[]' },
  `
export async function seedHost(db, { organizationId, userId: assigneeId, mark }) {
  const projectId = \`project_\${mark}\`
  await db.project.create({ data: { id: projectId, organizationId, name: mark } })
  const task = { organizationId, projectId, assigneeId, title: mark }
  await db.task.create({ data: { id: \`task_\${mark}\`, ...task } })
  await db.task.create({ data: { id: \`task_\${mark} part\`, parentId: \`task_\${mark}\`, ...task } })
  const note = { organizationId, projectId, text: mark }
  await db.note.create({ data: { id: \`note_\${mark}\`, ...note } })
  await db.note.create({ data: { id: \`note_\${mark} answer\`, answerTo: \`note_\${mark}\`, ...note } })
}
`,
)
afterAll(() => host.remove())

type Held = typeof import('./references-are-held.ts')
const { referencesAreHeld, referencesAreHeldInSql } = await host.import<Held>(
  '__tests__/references-are-held.ts',
)
const { setUpWalls, WALLS } = await host.import<typeof import('./walls.ts')>('__tests__/walls.ts')
const { schemaDiff } = await host.import<typeof import('../schema-engine.ts')>('schema-engine.ts')
const { policyDiff } =
  await host.import<typeof import('../tenancy/policies.ts')>('tenancy/policies.ts')

const { keysOf } = await host.import<typeof import('./reference-attacks.ts')>(
  '__tests__/reference-attacks.ts',
)
const keys = keysOf().filter(([model]) => ['Task', 'Note'].includes(model))

/** As `db:diff` writes it and `db:migrate` applies it. */
async function migrate(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const diff of [schemaDiff, policyDiff]) {
    const sql = await diff(url)
    expect(sql).toContain('"Task"')
    await client.query(sql ?? '')
    expect(await diff(url)).toBeNull()
  }
  await client.end()
}

describe.each(WALLS)('with %s', (walls) => {
  const setup = setUpWalls(walls, migrate)

  referencesAreHeld(setup, keys)

  test('a row is created, changed and read by keys that contain the organization', async () => {
    const { alpha, db } = setup as { alpha: Untyped; db: Untyped }
    const where = { id: 'made' }
    for (const data of [
      { title: 'x', projectId: 'project_alpha' },
      { title: 'x', project: { connect: { id: 'project_alpha' } } },
      {
        title: 'x',
        project: { connect: { organizationId_id: { organizationId: ALPHA, id: 'project_alpha' } } },
      },
      { title: 'x', project: { create: { id: 'made', name: 'made' } } },
      { title: 'x', project: { connectOrCreate: { where, create: { id: 'made', name: 'x' } } } },
      { title: 'x', projectId: 'project_alpha', parentId: 'task_alpha', assigneeId: 'user_both' },
    ]) {
      await alpha.task.create({ data: { ...where, ...data } })
      const made = await db.task.findUnique({ where })
      expect(made).toMatchObject({ organizationId: ALPHA, title: 'x' })
      await alpha.task.update({ where, data: { parentId: 'task_alpha' } })
      await alpha.task.update({ where, data: { projectId: 'project_alpha', title: 'y' } })
      expect(
        await alpha.task.findUnique({ where, include: { parent: true, project: true } }),
      ).toMatchObject({
        parent: { id: 'task_alpha' },
        project: { id: 'project_alpha' },
        title: 'y',
      })
      await alpha.task.update({ where, data: { parentId: null } })
      await alpha.task.delete({ where })
    }
    await alpha.project.delete({ where })
  })

  test('a row without a relation to its organization gets the organization’s id, too', async () => {
    const { alpha, db } = setup as { alpha: Untyped; db: Untyped }
    const where = { id: 'made' }
    for (const data of [
      { text: 'x' },
      { text: 'x', projectId: 'project_alpha' },
      { text: 'x', project: { connect: { id: 'project_alpha' } } },
      { text: 'x', answerTo: 'note_alpha' },
    ]) {
      await alpha.note.create({ data: { ...where, ...data } })
      expect(await db.note.findUnique({ where })).toMatchObject({ organizationId: ALPHA })
      await alpha.note.delete({ where })
    }
  })

  test('rows of one statement may refer to each other, and not to rows that it skips', async () => {
    const { alpha } = setup as { alpha: Untyped }
    const notes = [
      { id: 'leaf', text: 'x', answerTo: 'root' },
      { id: 'root', text: 'x' },
      { id: 'self', text: 'x', answerTo: 'self' },
    ]
    expect(await alpha.note.createMany({ data: notes })).toEqual({ count: 3 })
    await alpha.note.deleteMany({ where: { id: { in: ['leaf', 'self'] } } })
    await alpha.note.deleteMany({ where: { id: 'root' } })
    const skipping = alpha.note.createMany({
      data: [
        { id: 'note_BETA', text: 'x' },
        { id: 'leaf', text: 'x', answerTo: 'note_BETA' },
      ],
      skipDuplicates: true,
    })
    await expect(skipping).rejects.toMatchObject({ code: 'foreign_organization' })
  })

  test('a row keeps a reference whose target the organization no longer sees', async () => {
    const { alpha, db } = setup as { alpha: Untyped; db: Untyped }
    const where = { id: 'task_alpha' }
    await db.task.update({ where, data: { assigneeId: 'user_BETA' } })
    await alpha.task.update({ where, data: { title: 'done' } })
    expect(await alpha.task.findUnique({ where, include: { assignee: true } })).toMatchObject({
      title: 'done',
      assignee: null,
    })
    await alpha.task.update({ where, data: { assigneeId: null } })
    await db.task.update({ where, data: { assigneeId: 'user_alpha', title: 'alpha' } })
  })
})

describe('with the database alone', () => {
  const setup = setUpWalls('both walls', migrate)

  referencesAreHeldInSql(setup, keys)

  test('promise 6: the system itself cannot refer from one organization into another', async () => {
    const db = setup.db as Untyped
    const task = { organizationId: ALPHA, projectId: 'project_BETA', title: 'x' }
    await expect(db.task.create({ data: task })).rejects.toMatchObject({ code: 'P2003' })
  })
})
