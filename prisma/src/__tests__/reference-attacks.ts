/**
 * Every way to write a foreign key of every organization's table, by its columns and by its relation, made
 * from the schema: a new model is attacked as soon as it is there.
 */

import { models } from '../tenancy/generated/models.ts'
import type { Args, ModelName, Relation } from '../tenancy/model.ts'
import { delegateIn } from '../tenancy/model.ts'
import { columnOf } from '../tenancy/scope.ts'
import { ALPHA } from './two-organizations.ts'
import type { Untyped, Walls } from './walls.ts'

/** A row that a key could name. `mine` is the organization's to see. */
export type Named = 'foreign' | 'unknown' | 'mine'

export interface Way {
  name: string
  /** Whether it is refused whatever it names. */
  isClosed: boolean
  write(alpha: Untyped, named: Named): PromiseLike<unknown>
}

/** A model, and its relation that the key belongs to. */
export type Key = [ModelName, string]

/** The foreign keys of the organizations' tables, but for the stamp. */
export function keysOf(): Key[] {
  return Object.entries(models).flatMap(([model, { tenancy, relations }]) =>
    tenancy === 'organization'
      ? Object.entries(relations)
          .filter(([, { from }]) => from.some((column) => column !== columnOf(model as ModelName)))
          .map(([name]): Key => [model as ModelName, name])
      : [],
  )
}

/** Every way to write the key `relation` of `model`. The rows it names are those that were seeded. */
export async function waysToWrite(setup: Walls, [model, relation]: Key): Promise<Way[]> {
  const row = await ownRow(setup, model)
  const keys = await rowsToName(setup, model, relation)
  const there = models[model].relations[relation]?.model as ModelName
  const stranger = { ...((await delegateIn(setup.db, there).findFirst?.({})) as Args), id: 'fresh' }
  const forms = formsOf(setup, model, relation, row, keys, stranger)
  return (await Promise.all(forms)).flatMap((form) => [
    ...alone(model, row, form),
    ...parentsOf(model, relation).flatMap(([parent, list]) => nested(parent, list, row, form)),
  ])
}

/** One form of data: the whole row but for the key, and the key. */
interface Form {
  name: string
  isClosed: boolean
  /** Columns alone fit into operations on many rows. */
  many: boolean
  rest(without: readonly string[]): Args
  key(named: Named): Args
}

/** The organization's row that refers to most. */
async function ownRow({ db }: Walls, model: ModelName): Promise<Args> {
  const where = { [columnOf(model)]: ALPHA }
  const rows = (await delegateIn(db, model).findMany?.({ where })) as Args[]
  const [row] = rows
    .map((each) => Object.entries(each).filter(([, value]) => value !== null))
    .sort((one, other) => other.length - one.length)
  if (!row) throw new Error(`${model} has no row of ${ALPHA}: seed one in host-seed.ts.`)
  return Object.fromEntries(row)
}

async function rowsToName(
  { db, alpha }: Walls,
  model: ModelName,
  name: string,
): Promise<Record<Named, Args>> {
  const { model: target, to } = models[model].relations[name] as Relation
  const select = Object.fromEntries(to.map((column) => [column, true]))
  const all = (await delegateIn(db, target).findMany?.({ select })) as Args[]
  const mine = (await delegateIn(alpha as Untyped, target).findMany?.({ select })) as Args[]
  const isMine = (row: Args) =>
    mine.some((each) => to.every((column) => each[column] === row[column]))
  const foreign = all.find((row) => !isMine(row)) ?? unknownOf(to)
  return { mine: mine[0] as Args, foreign, unknown: unknownOf(to) }
}

const unknownOf = (to: readonly string[]): Args =>
  Object.fromEntries(to.map((column) => [column, 'unknown']))

function formsOf(
  setup: Walls,
  model: ModelName,
  name: string,
  row: Args,
  keys: Record<Named, Args>,
  stranger: Args,
): Promise<Form>[] {
  const { relations, columns } = models[model]
  const { from, to, model: target } = relations[name] as Relation
  const stamp = columnOf(model)
  const fresh = { id: 'fresh' }
  const byColumns = (wrap: (value: unknown) => unknown) => (named: Named) =>
    Object.fromEntries(
      from.flatMap((column, index) =>
        column === stamp ? [] : [[column, wrap(keys[named][to[index] ?? ''])]],
      ),
    )
  const unique = (columnsThere: readonly string[], key: Args) =>
    columnsThere.length === 1 ? key : { [columnsThere.join('_')]: key }
  const columnsRest = (without: readonly string[]) =>
    pick(row, (key) => (key === stamp || !from.includes(key)) && !without.includes(key), fresh)
  const columnsForm = async (label: string, wrap: (value: unknown) => unknown): Promise<Form> => ({
    name: label,
    isClosed: false,
    many: true,
    rest: columnsRest,
    key: byColumns(wrap),
  })
  const relationForm = async (label: string, link: (key: Args) => Args): Promise<Form> => {
    const others: Args = {}
    for (const [other, { from: columnsHere }] of Object.entries(relations)) {
      if (columnsHere.length === 0 || other === name) continue
      if (columnsHere.some((column) => !(column in row))) continue
      const { mine } = await rowsToName(setup, model, other)
      others[other] = { connect: unique(relations[other]?.to ?? [], mine) }
    }
    const all = Object.values(relations).flatMap((each) => each.from)
    return {
      name: label,
      isClosed: label === 'connectOrCreate',
      many: false,
      rest: (without) => ({
        ...pick(row, (key) => columns.includes(key) && !all.includes(key) && key !== stamp, fresh),
        ...pick(others, (other) => `${relations[other]?.from}` !== `${without}`, {}),
      }),
      key: (named) => ({ [name]: link(unique(to, keys[named])) }),
    }
  }
  return [
    columnsForm('columns', (value) => value),
    columnsForm('columns by set', (value) => ({ set: value })),
    relationForm('connect', (key) => ({ connect: key })),
    // An organization's own table may get the row that was not found.
    ...(models[target].tenancy === 'organization'
      ? []
      : [
          relationForm('connectOrCreate', (key) => ({
            connectOrCreate: { where: key, create: stranger },
          })),
        ]),
  ]
}

const pick = (row: Args, keep: (key: string) => boolean, more: Args): Args => ({
  ...Object.fromEntries(Object.entries(row).filter(([key]) => keep(key))),
  ...more,
})

/** The operations of the model itself. */
function alone(model: ModelName, row: Args, { name, isClosed, many, rest, key }: Form): Way[] {
  const where = { id: row.id }
  const isNew = name !== 'columns by set'
  const made = (named: Named) => ({ ...rest([]), ...key(named) })
  const way = (operation: string, args: (named: Named) => Args): Way => ({
    name: `${model}.${operation} by ${name}`,
    isClosed,
    write: (alpha, named) =>
      delegateIn(alpha, model)[operation.split(' ')[0] ?? '']?.(args(named)) as never,
  })
  const changes = [
    way('update', (named) => ({ where, data: key(named) })),
    ...(isNew
      ? [
          way('upsert that changes', (named) => ({
            where,
            create: made('mine'),
            update: key(named),
          })),
        ]
      : []),
    ...(many ? [way('updateMany', (named) => ({ data: key(named) }))] : []),
    ...(many ? [way('updateManyAndReturn', (named) => ({ where, data: key(named) }))] : []),
  ]
  if (!isNew) return changes
  const fresh = { where: { id: 'fresh' } }
  const rows = (named: Named) => [
    { ...made(named), id: 'fresh' },
    { ...made('mine'), id: 'fresh, too' },
  ]
  return [
    ...changes,
    way('create', (named) => ({ data: made(named) })),
    way('upsert that creates', (named) => ({ ...fresh, create: made(named), update: {} })),
    ...(many
      ? [
          way('createMany', (named) => ({ data: rows(named) })),
          way('createMany of one', (named) => ({ data: made(named) })),
          way('createMany that skips', (named) => ({ data: rows(named), skipDuplicates: true })),
          way('createManyAndReturn', (named) => ({ data: rows(named) })),
        ]
      : []),
  ]
}

/** The models and lists through which rows of `model` are written, but not by the key itself. */
function parentsOf(model: ModelName, relation: string): [ModelName, string][] {
  const { from } = models[model].relations[relation] as Relation
  return Object.entries(models).flatMap(([parent, { tenancy, relations }]) =>
    tenancy !== 'organization'
      ? []
      : Object.entries(relations)
          .filter(([, each]) => each.model === model && each.list && each.backwards.length > 0)
          .filter(([, each]) => `${each.backwards}` !== `${from}`)
          .map(([list]): [ModelName, string] => [parent as ModelName, list]),
  )
}

/** The nested operations of `list`. */
function nested(parent: ModelName, list: string, row: Args, form: Form): Way[] {
  const { name, isClosed, many, rest, key } = form
  const { model, backwards } = models[parent].relations[list] as Relation
  const to = Object.values(models[model].relations).find(
    (each) => each.model === parent && `${each.from}` === `${backwards}`,
  )?.to
  const above = row[backwards.find((column) => column !== columnOf(model)) ?? columnOf(model)]
  if (!to?.includes('id')) throw new Error(`${parent} is not named by its id: say how it is found.`)
  const where = { id: row.id }
  const isNew = name !== 'columns by set'
  const made = (named: Named) => ({ ...rest(backwards), ...key(named) })
  const way = (operation: string, part: (named: Named) => unknown): Way => ({
    name: `${parent}.${list}.${operation} by ${name}`,
    isClosed,
    write: (alpha, named) =>
      delegateIn(alpha, parent).update?.({
        where: { id: above },
        data: { [list]: { [operation.split(' ')[0] ?? '']: part(named) } },
      }) as never,
  })
  const changes = [
    way('update', (named) => ({ where, data: key(named) })),
    ...(isNew
      ? [
          way('upsert that changes', (named) => ({
            where,
            create: made('mine'),
            update: key(named),
          })),
        ]
      : []),
    ...(many ? [way('updateMany', (named) => ({ where: {}, data: key(named) }))] : []),
  ]
  if (!isNew) return changes
  const fresh = { where: { id: 'fresh' } }
  return [
    ...changes,
    way('create', made),
    way('create of a list', (named) => [made(named)]),
    way('connectOrCreate', (named) => ({ ...fresh, create: made(named) })),
    way('upsert that creates', (named) => ({ ...fresh, create: made(named), update: {} })),
    ...(many ? [way('createMany', (named) => ({ data: [made(named)] }))] : []),
  ]
}
