"""Another folder with a module of the same name; the functions take the context as well."""

import features


def model_fn(model_dir, context):
    assert context is None
    return features.CONSTANT


def transform_fn(model, body, content_type, accept):
    return "\n".join(str(model) for _ in body.split("\n"))
