/** Scripts that complete commands and options in a shell, written from the tree of commands itself. Values are completed as file names. */
import type { Command } from 'commander'

export type Shell = 'bash' | 'zsh' | 'fish'
export const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish']

export interface CommandNode {
  /** `pool backup`; empty for the program itself. */
  readonly path: string
  readonly summary: string
  readonly below: readonly string[]
  readonly options: readonly {
    readonly flag: string
    readonly takesValue: boolean
    readonly choices: readonly string[]
    readonly summary: string
  }[]
  /** Of its first argument. */
  readonly choices: readonly string[]
}

export function commandNodes(command: Command, path: readonly string[] = []): CommandNode[] {
  const node: CommandNode = {
    path: path.join(' '),
    summary: command.summary() || command.description(),
    below: command.commands.map((child) => child.name()),
    options: [
      ...command.options.map((option) => ({
        flag: option.long ?? option.flags,
        takesValue: option.required || option.optional,
        choices: option.argChoices ?? [],
        summary: option.description,
      })),
      { flag: '--help', takesValue: false, choices: [], summary: 'display help for command' },
    ],
    choices: command.registeredArguments[0]?.argChoices ?? [],
  }
  return [node, ...command.commands.flatMap((child) => commandNodes(child, [...path, child.name()]))]
}

export function completionScript(shell: Shell, nodes: readonly CommandNode[]): string {
  if (shell === 'fish') return fishScript(nodes)
  return shell === 'bash' ? bashScript(nodes) : zshScript(nodes)
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function words(node: CommandNode): string {
  return [...node.below, ...node.choices, ...node.options.map(({ flag }) => flag)].join(' ')
}

/** Options that take one of some words. */
function choicesOf(nodes: readonly CommandNode[]) {
  return nodes.flatMap(({ path, options }) =>
    options.filter(({ choices }) => choices.length > 0).map(({ flag, choices }) => ({ path, flag, choices })),
  )
}

function bashScript(nodes: readonly CommandNode[]): string {
  const groups = nodes.filter(({ path, below }) => path !== '' && below.length > 0).map(({ path }) => path)
  const choices = choicesOf(nodes).map(
    ({ path, flag, choices }) => `    '${path}:${flag}') COMPREPLY=($(compgen -W '${choices.join(' ')}' -- "$cur")); return ;;`,
  )
  const takers = [...new Set(nodes.flatMap(({ options }) => options.filter(({ takesValue }) => takesValue).map(({ flag }) => flag)))]
  return `# bash completion of terp: terp completion bash > /etc/bash_completion.d/terp
_terp() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="\${COMP_WORDS[1]:-}"
  COMPREPLY=()
  (( COMP_CWORD == 1 )) && path=''
  case "$path" in
    ${groups.join('|')}) (( COMP_CWORD > 2 )) && path="$path \${COMP_WORDS[2]}" ;;
  esac
  case "$path:$prev" in
${choices.join('\n')}
  esac
  case "$prev" in
    ${takers.join('|')}) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  case "$path" in
${nodes.map((node) => `    '${node.path}') COMPREPLY=($(compgen -W '${words(node)}' -- "$cur")) ;;`).join('\n')}
  esac
  [[ \${#COMPREPLY[@]} -eq 0 && "$cur" != -* ]] && COMPREPLY=($(compgen -f -- "$cur"))
}
complete -o filenames -F _terp terp ./terp
`
}

function zshScript(nodes: readonly CommandNode[]): string {
  const groups = nodes.filter(({ path, below }) => path !== '' && below.length > 0).map(({ path }) => path)
  const described = (node: CommandNode) => {
    const below = node.below.map((name) => [
      name,
      nodes.find(({ path }) => path === [node.path, name].filter(Boolean).join(' '))?.summary ?? '',
    ])
    const all = [...below, ...node.choices.map((choice) => [choice, '']), ...node.options.map(({ flag, summary }) => [flag, summary])]
    return all.map(([name = '', summary = '']) => quote(`${name}:${summary.replaceAll(':', ' ')}`)).join(' ')
  }
  return `#compdef terp ./terp
# zsh completion of terp: terp completion zsh > "\${fpath[1]}/_terp"
_terp() {
  local path_
  local -a found
  path_="\${words[2]}"
  (( CURRENT == 2 )) && path_=''
  case "$path_" in
    ${groups.join('|')}) (( CURRENT > 3 )) && path_="$path_ \${words[3]}" ;;
  esac
  case "$path_:\${words[CURRENT-1]}" in
${choicesOf(nodes)
  .map(({ path, flag, choices }) => `    ${quote(`${path}:${flag}`)}) compadd -- ${choices.join(' ')}; return ;;`)
  .join('\n')}
  esac
  case "$path_" in
${nodes.map((node) => `    ${quote(node.path)}) found=(${described(node)}) ;;`).join('\n')}
  esac
  _describe -t commands terp found
  _files
}
compdef _terp terp ./terp
`
}

function fishScript(nodes: readonly CommandNode[]): string {
  const lines = ['# fish completion of terp: terp completion fish > ~/.config/fish/completions/terp.fish']
  for (const node of nodes) {
    const steps = node.path === '' ? [] : node.path.split(' ')
    const condition =
      steps.length === 0 ? '__fish_use_subcommand' : steps.map((step) => `__fish_seen_subcommand_from ${step}`).join('; and ')
    const unless = node.below.length === 0 || steps.length === 0 ? '' : `; and not __fish_seen_subcommand_from ${node.below.join(' ')}`
    for (const name of node.below) {
      const summary = nodes.find(({ path }) => path === [...steps, name].join(' '))?.summary ?? ''
      lines.push(`complete -c terp -f -n ${quote(condition + unless)} -a ${name} -d ${quote(summary)}`)
    }
    for (const choice of node.choices) lines.push(`complete -c terp -f -n ${quote(condition)} -a ${choice}`)
    for (const { flag, takesValue, choices, summary } of node.options) {
      const value = choices.length > 0 ? ` -x -a ${quote(choices.join(' '))}` : takesValue ? ' -r' : ''
      lines.push(`complete -c terp -n ${quote(condition + unless)} -l ${flag.replace(/^--/, '')}${value} -d ${quote(summary)}`)
    }
  }
  return `${lines.join('\n')}\n`
}
