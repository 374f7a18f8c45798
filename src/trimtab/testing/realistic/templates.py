"""Chat templates that render as the released ones do."""

QWEN = (
    "{%- for message in messages %}"
    "{%- if loop.first and message.role != 'system' %}"
    "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}"
    "{%- endif %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}"
    "{%- for part in message.content %}"
    "{%- if part.type == 'image' or 'image' in part or 'image_url' in part %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part.type == 'video' or 'video' in part %}"
    "{{- '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""A system prompt where none is given; parts in their order."""

LLAVA = (
    "{%- for message in messages %}"
    "{%- if message.role != 'system' %}{{- message.role | upper + ': ' }}{%- endif %}"
    "{%- for part in message.content | selectattr('type', 'equalto', 'image') %}{{- '<image>\\n' }}{%- endfor %}"
    "{%- for part in message.content | selectattr('type', 'equalto', 'text') %}"
    "{%- if message.role == 'assistant' %}{% generation %}{{- part.text + ' ' }}{% endgeneration %}"
    "{%- else %}{{- part.text + ' ' }}{%- endif %}"
    "{%- endfor %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- 'ASSISTANT:' }}{%- endif %}"
)
"""Pictures before all texts, and a tag that transformers adds to Jinja."""

TEMPLATES = {"qwen2_5_vl": QWEN, "llava": LLAVA}
