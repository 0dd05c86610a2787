/**
 * The part of SvelteKit that its template uses, so that the template is checked without SvelteKit, whose compiler is not
 * the one of this repository. The test of the host checks the template with SvelteKit itself.
 */

declare module '@sveltejs/kit' {
  export interface RequestEvent {
    request: Request
    url: URL
    locals: App.Locals
  }
  export type Handle = (input: {
    event: RequestEvent
    resolve(event: RequestEvent): Response | Promise<Response>
  }) => Response | Promise<Response>
  export function redirect(status: 303, location: string): never
}

declare module '$app/environment' {
  export const building: boolean
}
