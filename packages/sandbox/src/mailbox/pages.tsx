/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/**
 * The mailbox: the host's mails as their reader sees them. A mail is shown in a frame that runs no script and
 * has no origin. Its links open outside the frame, as in a mail program.
 *
 * @module
 */

import { Hono, type Context as HonoContext } from 'hono'
import { minute, notFound, Page, render } from '../layout.tsx'
import { type MailboxMessage, readMail, readMails } from './mails.ts'

const AREA = 'Mailbox'

/** The most mails that the list shows. */
const SHOWN = 200

/** The app that answers `/mailbox` and paths below it. */
export function createMailboxPages(folder: string | null): Hono {
  const app = new Hono()
  app.get('/mailbox', async (c) => {
    const mails = folder === null ? [] : await readMails(folder)
    return render(c, <ListPage mails={mails} isConnected={folder !== null} />)
  })
  app.get('/mailbox/api/messages', async (c) => {
    const messages = folder === null ? [] : await readMails(folder, c.req.query('to'))
    return c.json({ messages }, 200, {
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
  })
  app.get('/mailbox/:id', (c) => showMail(folder, c))
  return app
}

async function showMail(folder: string | null, c: HonoContext): Promise<Response> {
  const mail = folder === null ? null : await readMail(folder, c.req.param('id') ?? '')
  if (mail === null) return notFound(c, AREA, 'This mail does not exist.')
  const isText = c.req.query('view') === 'text' || mail.html === ''
  return render(c, <MailPage mail={mail} isText={isText} />, { showsMail: true })
}

function ListPage(props: { mails: MailboxMessage[]; isConnected: boolean }) {
  const { mails } = props
  return (
    <Page title="Mailbox" area={AREA} isWide>
      <section class="card">
        <h1>Mailbox</h1>
        <p>
          <a href="/mailbox">Refresh</a>
        </p>
        {mails.length === 0 && (
          <p class="soft">
            {props.isConnected ? 'No mail yet.' : 'The sandbox was started without an outbox.'}
          </p>
        )}
        {mails.length > 0 && <MailTable mails={mails.slice(0, SHOWN)} />}
        {mails.length > SHOWN && (
          <p class="soft">
            The newest {SHOWN} of {mails.length}.
          </p>
        )}
      </section>
    </Page>
  )
}

function MailTable({ mails }: { mails: MailboxMessage[] }) {
  return (
    <table class="stacks">
      <thead>
        <tr>
          <th>Subject</th>
          <th>To</th>
          <th>Template</th>
          <th>Sent</th>
        </tr>
      </thead>
      <tbody>
        {mails.map((mail) => (
          <tr>
            <td>
              <a href={`/mailbox/${mail.id}`}>{mail.subject || '(no subject)'}</a>
            </td>
            <td>{mail.to}</td>
            <td class="soft">{mail.template}</td>
            <td class="soft">{minute(new Date(mail.createdAt))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function MailPage({ mail, isText }: { mail: MailboxMessage; isText: boolean }) {
  const path = `/mailbox/${mail.id}`
  return (
    <Page title={mail.subject} area={AREA} isWide>
      <p>
        <a href="/mailbox">All mail</a>
      </p>
      <section class="card">
        <h1>{mail.subject}</h1>
        <p class="soft">
          From {mail.from}
          <br />
          To {mail.to}
          <br />
          {minute(new Date(mail.createdAt))}
          {mail.template && ` · ${mail.template}`}
        </p>
        <MailHeaders headers={mail.headers} />
      </section>
      <section class="card">
        <nav class="tabs" aria-label="Form of the mail">
          <a href={path} aria-current={isText ? undefined : 'page'}>
            HTML
          </a>
          <a href={`${path}?view=text`} aria-current={isText ? 'page' : undefined}>
            Plain text
          </a>
        </nav>
        {isText ? (
          <pre>{mail.text}</pre>
        ) : (
          <iframe
            title={mail.subject}
            srcdoc={framed(mail.html)}
            sandbox="allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
          />
        )}
      </section>
    </Page>
  )
}

function MailHeaders({ headers }: { headers: Record<string, string> }) {
  const entries = Object.entries(headers)
  if (entries.length === 0) return null
  return (
    <details>
      <summary>Headers</summary>
      {entries.map(([name, value]) => (
        <div class="row">
          <span class="soft">{name}</span>
          <code>{value}</code>
        </div>
      ))}
    </details>
  )
}

/** Makes the mail's links open in the whole window. Only the first `base` of a page counts. */
function framed(html: string): string {
  const base = '<base target="_top">'
  return /<head\b[^<>]*>/i.test(html)
    ? html.replace(/<head\b[^<>]*>/i, (head) => head + base)
    : base + html
}
