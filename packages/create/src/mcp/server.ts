/**
 * `tollgate mcp`: what a coding agent may ask about a host, over the Model Context Protocol on standard input and
 * output. Everything reads, but for `apply`, which needs the token of a plan that was shown before.
 *
 * @see https://modelcontextprotocol.io/specification
 * @module
 */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { isTollgateError, maskText } from '@repo/core'
import * as z from 'zod'
import { applyPlan, forgetLast } from '../apply.ts'
import type { Checkout } from '../checkout.ts'
import { hostChanges } from '../diff.ts'
import { doctorOf, hostProgram, outputOf } from '../doctor-command.ts'
import { CreateError } from '../errors.ts'
import { changedFiles, openHost } from '../host.ts'
import { planAdd } from '../plan-add.ts'
import { planRemove } from '../plan-remove.ts'
import { planUpdate, requireReceipt, waitingFiles } from '../plan-update.ts'
import { readReceipt } from '../receipt.ts'
import { jsonOf } from '../report.ts'
import { variablesOf } from '../variables.ts'
import { documentsOf, readDocument, searchSections, sectionsOf } from './documents.ts'
import { createPlans } from './plans.ts'

const READS = { readOnlyHint: true, openWorldHint: false } as const

/** The arguments of `plan` that a command has no use for. */
const IGNORED = {
  add: ['including'],
  update: ['parts'],
  remove: ['without', 'including'],
} as const

/** Makes the server for the host in `folder`. */
export function createMcpServer(folder: string, checkout: Checkout): McpServer {
  const server = new McpServer({ name: 'tollgate', version: checkout.version })
  const plans = createPlans()
  const host = () => openHost(folder)
  const receipt = () => requireReceipt(host())

  server.registerTool(
    'search_docs',
    {
      description:
        'Searches the documentation of the copied packages, in the version that this repository has. Returns sections with their texts.',
      inputSchema: {
        query: z.string().min(2).max(200),
        limit: z.number().int().min(1).max(20).default(5),
      },
      annotations: READS,
    },
    ({ query, limit }) => answer(() => searchSections(sectionsOf(host(), receipt()), query, limit)),
  )
  server.registerTool(
    'read_doc',
    {
      description: 'Reads one document whole. Without a path it lists the documents.',
      inputSchema: { path: z.string().max(300).optional() },
      annotations: READS,
    },
    ({ path }) =>
      answer(() => {
        const all = documentsOf(host(), receipt())
        if (path === undefined) return all
        const text = readDocument(host(), receipt(), path)
        if (text !== null) return text
        throw new CreateError('usage', `${path} is not a document. Call read_doc without a path.`)
      }),
  )
  server.registerTool(
    'status',
    {
      description:
        'Says which parts of Tollgate the repository has, of which version, what was left out, which copied files were changed, and whether there is an update.',
      inputSchema: {},
      annotations: READS,
    },
    () =>
      answer(() => {
        const has = receipt()
        const waiting = waitingFiles(host(), has)
        const plan = waiting.length > 0 ? null : planUpdate(checkout, host(), { downgrade: true })
        return {
          version: has.version,
          commit: has.commit,
          parts: has.parts,
          folders: has.layout.folders,
          without: has.layout.without,
          changed: hostChanges(host(), has, undefined).map(({ path, status }) => ({
            path,
            status,
          })),
          unresolved: waiting,
          update: plan && { version: checkout.version, files: plan.changes.length },
        }
      }),
  )
  server.registerTool(
    'variables',
    {
      description:
        'Lists the environment variables of the parts, where to get each, and whether it is set. Values are never shown.',
      inputSchema: {},
      annotations: READS,
    },
    () => answer(() => variablesOf(checkout, host(), receipt())),
  )
  server.registerTool(
    'doctor',
    {
      description:
        'Measures what the instances of this repository do: hashes, cookies, signatures, webhooks, schema, mail. Takes up to a minute.',
      inputSchema: {
        only: z
          .string()
          .max(200)
          .optional()
          .describe('Areas or ids of checks, separated by commas'),
      },
      annotations: READS,
    },
    ({ only }) =>
      answer(() =>
        outputOf(doctorOf(host(), ['--json', ...(only === undefined ? [] : ['--only', only])])),
      ),
  )
  server.registerTool(
    'events',
    {
      description:
        'Lists stored webhook events without their payloads: those that wait or failed, the dead ones first.',
      inputSchema: {
        status: z
          .array(z.enum(['pending', 'processed', 'dead', 'needs_attention', 'ignored']))
          .optional(),
        limit: z.number().int().min(1).max(100).default(20),
      },
      annotations: READS,
    },
    ({ status, limit }) =>
      answer(() =>
        outputOf(
          hostProgram(host(), 'billing', 'src/cli.ts', [
            ...['events', 'list', '--json', '--limit', String(limit)],
            ...(status === undefined ? [] : ['--status', status.join(',')]),
          ]),
        ),
      ),
  )
  server.registerTool(
    'plan',
    {
      description:
        'Plans to add parts, to update to the version of the checkout, or to remove parts. Changes nothing. Show the plan to a person; `apply` carries it out by its token.',
      inputSchema: {
        command: z.enum(['add', 'update', 'remove']),
        parts: z.array(z.string().max(40)).max(20).default([]),
        without: z.array(z.string().max(40)).max(20).default([]),
        including: z.array(z.string().max(40)).max(20).default([]),
      },
      annotations: READS,
    },
    ({ command, parts, without, including }) =>
      answer(() => {
        const given = { parts, without, including }
        const ignored = IGNORED[command].filter((name) => given[name].length > 0)
        if (ignored.length > 0) {
          throw new CreateError('usage', `${command} does not take ${ignored.join(' and ')}.`)
        }
        const plan = {
          add: () => planAdd(checkout, host(), parts, { without }),
          update: () => planUpdate(checkout, host(), { without, including }),
          remove: () => planRemove(checkout, host(), parts),
        }[command]()
        const token = plan.changes.length > 0 ? plans.keep(plan) : null
        return { token, ...jsonOf(plan, false) }
      }),
  )
  server.registerTool(
    'apply',
    {
      description:
        'Carries out a plan by the token that `plan` gave. All files change or none. Refused where files changed since, or are not committed.',
      inputSchema: { token: z.string().max(100) },
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false },
    },
    ({ token }) =>
      answer(() => {
        const plan = plans.take(token)
        const dirty = plan.command === 'update' ? changedFiles(host()) : []
        if (dirty.length > 0) {
          throw new CreateError('dirty_tree', `Commit these files first: ${dirty.join(', ')}.`)
        }
        applyPlan(folder, plan)
        if (!readReceipt(host().read)) forgetLast(folder)
        return jsonOf(plan, true)
      }),
  )
  return server
}

/** The answer of a tool: a text, or JSON. An error is an answer, too, so that the caller can mend its call. */
async function answer(make: () => unknown) {
  try {
    const value = await make()
    const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
    return { content: [{ type: 'text' as const, text }] }
  } catch (error) {
    const message = maskText(error instanceof Error ? error.message : String(error))
    const code = isTollgateError(error) ? error.code : 'internal_error'
    return {
      content: [{ type: 'text' as const, text: JSON.stringify({ error: { code, message } }) }],
      isError: true,
    }
  }
}

/** Serves on standard input and output until the input ends. */
export async function serveMcp(folder: string, checkout: Checkout): Promise<void> {
  const server = createMcpServer(folder, checkout)
  const ended = new Promise<void>((resolve) => {
    server.server.onclose = resolve
    process.stdin.once('end', resolve)
  })
  await server.connect(new StdioServerTransport())
  await ended
  await server.close()
}
