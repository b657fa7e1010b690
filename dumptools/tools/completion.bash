# SPDX-License-Identifier: GPL-2.0-or-later
# Bash completion of hmemscope, hmemdump and kdump-arm. Asks the program's own --help, so it cannot
# be out of date: verbs are the words of its list of subcommands, options what starts with "--".

_hmem_complete() {
  local program=$1 current=$2 word verbs help
  local -a path=()
  # A verb may have verbs of its own.
  verbs=$(_hmem_verbs "$program")
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -n $word && " ${verbs//$'\n'/ } " == *" $word "* ]]; then
      path+=("$word")
      verbs=$(_hmem_verbs "$program" "${path[@]}")
    fi
  done
  if [[ $current == -* ]]; then
    help=$("$program" "${path[@]}" --help 2>/dev/null)
    mapfile -t COMPREPLY < <(compgen -W "$(grep -oE -- '--[a-z][a-z0-9-]*' <<<"$help" | sort -u)" -- "$current")
    return
  fi
  mapfile -t COMPREPLY < <(
    compgen -f -- "$current"
    [[ -n $verbs ]] && compgen -W "$verbs" -- "$current"
  )
  compopt -o filenames 2>/dev/null
}

_hmem_verbs() {
  "$@" --help 2>/dev/null |
    awk '/^[A-Za-z][A-Za-z ]*:$/ { listing = tolower($0) ~ /^(subcommands|verbs|commands):$/; next }
         listing && /^  ?[a-z]/ { print $1 }'
}

complete -F _hmem_complete hmemscope hmemdump kdump-arm
