/**
 * Writes Stripe's published types of the objects that the stand-in uses as a JSON Schema: the required
 * members, their types, and the values of enums. The source is the type declarations of the official `stripe`
 * package (MIT licence, https://github.com/stripe/stripe-node), which Stripe generates from its OpenAPI
 * specification; none of their text is copied.
 *
 *     npm install --prefix /tmp/schema stripe@15.12.0 typescript@5.9.3
 *     node scripts/stripe-schema.mjs /tmp/schema 2024-04-10
 *     npm install --prefix /tmp/schema stripe@23.1.0 typescript@5.9.3
 *     node scripts/stripe-schema.mjs /tmp/schema 2026-10-28.endive
 *
 * @module
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'

const [folder, version] = process.argv.slice(2)
if (!folder || !version) throw new Error('Usage: stripe-schema.mjs <folder> <API version>')
const ts = createRequire(join(resolve(folder), 'package.json'))('typescript')

/** The type of each object, by the value of its `object` member. */
const ROOTS = {
  account: 'Account',
  'billing_portal.configuration': 'BillingPortal.Configuration',
  'billing_portal.session': 'BillingPortal.Session',
  charge: 'Charge',
  'checkout.session': 'Checkout.Session',
  coupon: 'Coupon',
  credit_note: 'CreditNote',
  credit_note_line_item: 'CreditNoteLineItem',
  customer: 'Customer',
  customer_balance_transaction: 'CustomerBalanceTransaction',
  discount: 'Discount',
  dispute: 'Dispute',
  invoice: 'Invoice',
  invoice_payment: 'InvoicePayment',
  item: 'LineItem',
  line_item: 'InvoiceLineItem',
  payment_intent: 'PaymentIntent',
  payment_method: 'PaymentMethod',
  plan: 'Plan',
  price: 'Price',
  product: 'Product',
  promotion_code: 'PromotionCode',
  refund: 'Refund',
  subscription: 'Subscription',
  subscription_item: 'SubscriptionItem',
  subscription_schedule: 'SubscriptionSchedule',
  tax_rate: 'TaxRate',
  webhook_endpoint: 'WebhookEndpoint',
}

/** Members with a type for each payment method or kind of account; of the types only these are followed. */
const METHODS = new Set([
  'card',
  'display_details',
  'redirect_to_url',
  'sepa_debit',
  'type',
  'us_bank_account',
  'use_stripe_sdk',
])

/** Types that the stand-in never returns, which are left out. */
const PRUNED =
  /^(SetupIntent|setup_intent|BankAccount|Card$|Source|CashBalance|TaxI|Account(\.|$)(?!.*account$)|.*LastFinalizationError|ConnectCollection|Quote|Application|Review|Transfer|Treasury|Issuing|Identity|Reserve|Mandate|PaymentRecord)/
const BY_METHOD =
  /PaymentMethod(Details|Options)?$|NextAction$|PaymentSettings\.PaymentMethodOptions|DestinationDetails$|PaymentMethod$|Account\.(Capabilities|Settings|Requirements|FutureRequirements|Company|Controller|BusinessProfile)|Person$|EvidenceDetails\.Enhanced|EnhancedEvidence/

const entry = join(resolve(folder), 'entry.ts')
const aliases = Object.entries(ROOTS).map(([object, type], index) => [object, `R${index}`, type])
// InvoicePayment was added in 2025-03-31.
const known =
  version >= '2025-03-31' ? aliases : aliases.filter(([object]) => object !== 'invoice_payment')
writeFileSync(
  entry,
  [
    "import Stripe from 'stripe'",
    ...known.map(([, name, type]) => `export type ${name} = Stripe.${type}`),
  ].join('\n'),
)
const program = ts.createProgram([entry], {
  strict: true,
  skipLibCheck: true,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  types: [],
  noEmit: true,
})
const checker = program.getTypeChecker()
const source = program.getSourceFile(entry)
const declared = new Map()
source.forEachChild((node) => {
  if (ts.isTypeAliasDeclaration(node)) declared.set(node.name.text, checker.getTypeAtLocation(node))
})

const defs = {}
/** The object that each member leads to, for `expand[]`: a name, with a `!` in front if a path may end there. */
const edges = {}
const rootOf = new Map()
for (const [object, name] of known) rootOf.set(declared.get(name), object)

const nameOf = (type) =>
  checker
    .getFullyQualifiedName(type.symbol)
    .replace(/^.*?Stripe\./, '')
    .replace(/^".*"\./, '')

function schemaOf(type, where) {
  if (type.isUnion()) return unionOf(type, where)
  if (type.flags & ts.TypeFlags.StringLiteral) return { enum: [type.value] }
  if (type.flags & ts.TypeFlags.NumberLiteral) return { enum: [type.value] }
  if (type.flags & ts.TypeFlags.BooleanLiteral)
    return { enum: [checker.typeToString(type) === 'true'] }
  if (type.flags & ts.TypeFlags.StringLike) return { type: 'string' }
  if (type.flags & ts.TypeFlags.NumberLike) return { type: 'number' }
  if (type.flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' }
  if (type.flags & ts.TypeFlags.Null) return { type: 'null' }
  if (type.isIntersection()) return { type: 'string' }
  if (type.flags & ts.TypeFlags.Object) return objectOf(type, where)
  return {}
}

function unionOf(type, where) {
  const parts = type.types.filter(
    (one) => !(one.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)),
  )
  const literals = parts.filter((one) => one.isStringLiteral())
  // The enum is closed here: the open end of the SDK's type stands for unpublished values.
  const rest = parts.filter(
    (one) => !one.isStringLiteral() && !(one.isIntersection() && literals.length > 0),
  )
  const hasString = rest.some((one) => one.flags & ts.TypeFlags.String)
  const shown = rest.filter((one) => {
    const isObject = one.flags & ts.TypeFlags.Object && !checker.isArrayType(one)
    // An expandable id becomes an object that the stand-in knows; otherwise it stays an id.
    return !(hasString && isObject && !rootOf.has(one) && !isDeleted(one))
  })
  const any = shown.filter((one) => !isDeleted(one)).map((one) => schemaOf(one, where))
  if (literals.length > 0) any.push({ enum: literals.map((one) => one.value).sort() })
  const unique = [...new Map(any.map((one) => [JSON.stringify(one), one])).values()]
  const types = unique.filter(
    (one) => Object.keys(one).length === 1 && typeof one.type === 'string',
  )
  const others = unique.filter((one) => !types.includes(one))
  const merged =
    types.length === 0
      ? []
      : [{ type: types.length === 1 ? types[0].type : types.map((one) => one.type).sort() }]
  const all = [...merged, ...others]
  return all.length === 1 ? all[0] : { anyOf: all }
}

const isDeleted = (type) => /Deleted/.test(type.symbol?.name ?? '')

function objectOf(type, where) {
  if (checker.isArrayType(type))
    return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0], where) }
  const symbol = type.symbol?.name ?? ''
  if (symbol === 'Decimal') return { type: 'string' }
  if (symbol === 'ApiList') {
    const [item] = type.aliasTypeArguments ?? checker.getTypeArguments(type)
    return {
      type: 'object',
      required: ['data', 'has_more', 'object', 'url'],
      properties: {
        data: { type: 'array', items: schemaOf(item, where) },
        has_more: { type: 'boolean' },
        object: { enum: ['list'] },
        url: { type: 'string' },
      },
    }
  }
  const values = type.getStringIndexType()
  if (values && type.getProperties().length === 0)
    return { type: 'object', additionalProperties: schemaOf(values, where) }
  const name = rootOf.get(type) ?? nameOf(type)
  if (symbol === '__type' || symbol === '') return members(type, where)
  if (!rootOf.has(type) && PRUNED.test(name)) return {}
  if (!(name in defs)) {
    defs[name] = {}
    defs[name] = members(type, name)
  }
  return { $ref: `#/$defs/${name}` }
}

/** The object that a member holds, inside its lists: the object's name, and whether it is expanded. */
function edgeOf(own, where, isOptional) {
  const parts = own.isUnion() ? own.types : [own]
  const hasString = parts.some((one) => one.flags & ts.TypeFlags.String)
  for (const part of parts) {
    if (!(part.flags & ts.TypeFlags.Object) || isDeleted(part)) continue
    if (checker.isArrayType(part))
      return edgeOf(checker.getTypeArguments(part)[0], where, isOptional)
    if (part.symbol?.name === 'ApiList') {
      const [item] = part.aliasTypeArguments ?? checker.getTypeArguments(part)
      const list = `[${edgeOf(item, where, false).replace('!', '')}]`
      return isOptional ? `!${list}` : list
    }
    if (part.getStringIndexType() || part.symbol?.name === 'Decimal') continue
    const name = rootOf.get(part) ?? nameOf(part)
    return hasString || (isOptional && rootOf.has(part)) || where === 'invoice.confirmation_secret'
      ? `!${name}`
      : name
  }
  return ''
}

function members(type, where) {
  const properties = {}
  const required = []
  for (const property of type.getProperties()) {
    if (property.name === 'lastResponse') continue
    const own = checker.getTypeOfSymbolAtLocation(property, source)
    const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0
    if (property.name === 'deleted' && !(own.flags & ts.TypeFlags.BooleanLike)) continue
    const edge = edgeOf(own, `${where}.${property.name}`, isOptional)
    if (edge !== '') edges[where] = { ...edges[where], [property.name]: edge }
    const isPruned = BY_METHOD.test(where) && isOptional && !METHODS.has(property.name)
    properties[property.name] = isPruned ? {} : schemaOf(own, `${where}.${property.name}`)
    if (!isOptional) required.push(property.name)
  }
  // An empty interface stands for unpublished members.
  if (type.getProperties().length === 0) return { type: 'object' }
  return { type: 'object', required: required.sort(), properties, additionalProperties: false }
}

for (const [, name] of known) objectOf(declared.get(name), '')
const { version: sdk } = JSON.parse(
  readFileSync(join(resolve(folder), 'node_modules/stripe/package.json'), 'utf8'),
)
const text = JSON.stringify({
  $comment: `Facts of Stripe's API ${version}, from the types of stripe ${sdk} (MIT); made by scripts/stripe-schema.mjs.`,
  $defs: Object.fromEntries(Object.entries(defs).sort(([one], [other]) => (one < other ? -1 : 1))),
})
const out = new URL(`../src/__tests__/stripe-${version}.schema.json`, import.meta.url)
writeFileSync(
  out,
  `${text.replaceAll(
    /,"([\w.]+)":\{"type":"object","required"/g,
    ',\n"$1":{"type":"object","required"',
  )}\n`,
)
for (const name of Object.keys(edges)) {
  if (/^account|^Account|PaymentMethodDetails|^PaymentMethod\.|BankAccount/.test(name))
    delete edges[name]
}
// Keeps only members that lead to something expandable.
const isUseful = (edge) => edge.startsWith('!') || edge.replace(/[[\]]/g, '') in edges
for (let count = -1; count !== JSON.stringify(edges).length; ) {
  count = JSON.stringify(edges).length
  for (const [name, own] of Object.entries(edges)) {
    for (const [key, edge] of Object.entries(own)) if (!isUseful(edge)) delete own[key]
    if (Object.keys(own).length === 0) delete edges[name]
  }
}
const lines = Object.entries(edges)
  .sort(([one], [other]) => (one < other ? -1 : 1))
  .map(([name, own]) => `  ${JSON.stringify(name)}: ${JSON.stringify(own)},`)
writeFileSync(
  new URL(
    `../src/stripe/expandable-${version >= '2025-03-31' ? 'new' : 'old'}.ts`,
    import.meta.url,
  ),
  `/**
 * The members of Stripe's objects that can be expanded in API version ${version}, and the object that
 * each leads to. A \`!\` means that a path may end there; brackets mean a list. Made by
 * \`scripts/stripe-schema.mjs\` from the types of stripe ${sdk} (MIT).
 *
 * @module
 */

export const edges: Record<string, Record<string, string>> = {
${lines.join('\n')}
}
`,
)
console.log(out.pathname, text.length, Object.keys(defs).length)
