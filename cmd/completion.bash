# SPDX-License-Identifier: Apache-2.0
# Bash completion of xos and its short names. The words come from the program's own tables.
_xos()
{
    local current=${COMP_WORDS[COMP_CWORD]} name=${COMP_WORDS[0]##*/} verb
    if [[ $name == xos ]]; then
        if ((COMP_CWORD == 1)); then
            mapfile -t COMPREPLY < <(compgen -W "$(xos --words 2>/dev/null) --help --version" -- "$current")
            return
        fi
        verb=${COMP_WORDS[1]}
    else
        verb=${name#x}
    fi
    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(xos --words "$verb" 2>/dev/null)" -- "$current")
    elif [[ $verb == run || $verb == sub ]]; then
        mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
    fi
}
complete -o default -F _xos xos xrun xkill xwait xattach xps xsub xlog xnodes
