/* The walks through a stack in C, for a fifth of what they cost in Python: each statement that is
 * watched takes one or two. What they return, and why, is said in `stacks`.
 *
 * The functions are bound to `is_library`, which knows the files by their names.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* As in `stacks`, of which a test sees that they are the same. */
enum { INNERMOST = 24, APPLICATION = 5, MOST = 100 };

/* Return whether *code* is a library's; -1 with an error. */
static int
is_librarys(PyObject *is_library, PyObject *code)
{
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "%R is no code", code);
        return -1;
    }
    PyObject *name = ((PyCodeObject *)code)->co_filename;
    PyObject *known = PyDict_GetItemWithError(is_library, name);
    if (known != NULL) {
        return known == Py_True;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    known = PyObject_GetItem(is_library, name); /* which learns */
    int found = known == NULL ? -1 : PyObject_IsTrue(known);
    Py_XDECREF(known);
    return found;
}

/* Let *frame* be the one that called it, or NULL. */
static void
go_back(PyFrameObject **frame)
{
    PyFrameObject *inner = *frame;
    *frame = PyFrame_GetBack(inner);
    Py_DECREF(inner);
}

/* Append to *stack* where *frame* is; return -1 with an error. */
static int
append(PyObject *stack, PyFrameObject *frame, PyObject **code)
{
    *code = (PyObject *)PyFrame_GetCode(frame);
    PyObject *lasti = PyLong_FromLong(PyFrame_GetLasti(frame));
    int failed = lasti == NULL || PyList_Append(stack, *code) < 0 || PyList_Append(stack, lasti) < 0;
    Py_DECREF(*code); /* the stack has it */
    Py_XDECREF(lasti);
    return failed ? -1 : 0;
}

/* Append what lies beyond the innermost ones, until there is enough of the application's. */
static int
go_on(PyObject *is_library, PyObject *stack, PyFrameObject **frame)
{
    PyObject *code;
    int missing = APPLICATION;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stack); i += 2) {
        int librarys = is_librarys(is_library, PyList_GET_ITEM(stack, i));
        if (librarys < 0) {
            return -1;
        }
        if (!librarys && --missing == 0) {
            return 0;
        }
    }
    for (int i = INNERMOST; i < MOST && *frame != NULL; i++) {
        if (append(stack, *frame, &code) < 0) {
            return -1;
        }
        int librarys = is_librarys(is_library, code);
        if (librarys < 0) {
            return -1;
        }
        if (!librarys && --missing == 0) {
            return 0;
        }
        go_back(frame);
    }
    return 0;
}

static PyObject *
whole(PyObject *is_library, PyObject *argument)
{
    if (argument != Py_None && !PyFrame_Check(argument)) {
        return PyErr_Format(PyExc_TypeError, "%R is no frame", argument);
    }
    PyObject *code, *stack = PyList_New(0);
    PyFrameObject *frame = argument == Py_None ? NULL : (PyFrameObject *)Py_NewRef(argument);
    int failed = stack == NULL;
    for (int i = 0; i < INNERMOST && frame != NULL && !failed; i++) {
        failed = append(stack, frame, &code) < 0;
        go_back(&frame);
    }
    if (frame != NULL && !failed) {
        failed = go_on(is_library, stack, &frame) < 0;
    }
    Py_XDECREF(frame);
    if (failed) {
        Py_CLEAR(stack);
    }
    return stack;
}

static PyObject *
caller(PyObject *is_library, PyObject *argument)
{
    if (!PyFrame_Check(argument)) {
        return PyErr_Format(PyExc_TypeError, "%R is no frame", argument);
    }
    PyFrameObject *frame = (PyFrameObject *)Py_NewRef(argument), *found = NULL;
    int librarys = 1;
    for (int i = 0; i <= MOST && frame != NULL && librarys > 0; i++) {
        PyObject *code = (PyObject *)PyFrame_GetCode(frame);
        librarys = is_librarys(is_library, code);
        Py_DECREF(code);
        if (librarys > 0) {
            go_back(&frame);
        }
        else {
            found = frame;
        }
    }
    PyObject *place = NULL;
    if (librarys >= 0) {
        found = found == NULL ? (PyFrameObject *)argument : found;
        place = Py_BuildValue("(Ni)", PyFrame_GetCode(found), PyFrame_GetLasti(found));
    }
    Py_XDECREF(frame);
    return place;
}

static PyObject *
site_of(PyObject *is_library, PyObject *argument)
{
    PyObject *stack = PySequence_Fast(argument, "a stack is a sequence");
    if (stack == NULL) {
        return NULL;
    }
    Py_ssize_t found = 0, size = PySequence_Fast_GET_SIZE(stack);
    int librarys = 1;
    for (Py_ssize_t i = 0; i + 1 < size && librarys > 0; i += 2) {
        librarys = is_librarys(is_library, PySequence_Fast_GET_ITEM(stack, i));
        found = librarys ? 0 : i;
    }
    PyObject *place = NULL;
    if (size < 2) {
        PyErr_SetString(PyExc_IndexError, "the stack is empty");
    }
    else if (librarys >= 0) {
        place = PyTuple_Pack(2, PySequence_Fast_GET_ITEM(stack, found),
                             PySequence_Fast_GET_ITEM(stack, found + 1));
    }
    Py_DECREF(stack);
    return place;
}

static PyMethodDef walks[] = {
    {"whole", whole, METH_O, PyDoc_STR("whole(frame)\n--\n\nSee `stacks`.")},
    {"caller", caller, METH_O, PyDoc_STR("caller(frame)\n--\n\nSee `stacks`.")},
    {"site_of", site_of, METH_O, PyDoc_STR("site_of(stack)\n--\n\nSee `stacks`.")},
};

static PyObject *
bound_to(PyObject *module, PyObject *is_library)
{
    if (!PyDict_Check(is_library)) {
        return PyErr_Format(PyExc_TypeError, "%R is no dict", is_library);
    }
    PyObject *bound = PyTuple_New(Py_ARRAY_LENGTH(walks));
    for (size_t i = 0; bound != NULL && i < Py_ARRAY_LENGTH(walks); i++) {
        PyObject *function = PyCFunction_New(&walks[i], is_library);
        if (function == NULL) {
            Py_CLEAR(bound);
        }
        else {
            PyTuple_SET_ITEM(bound, (Py_ssize_t)i, function);
        }
    }
    return bound;
}

static PyMethodDef functions[] = {
    {"bound_to", bound_to, METH_O,
     PyDoc_STR("bound_to(is_library)\n--\n\n"
               "Return `whole`, `caller` and `site_of` for that notion of a library.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_stacks",
    .m_doc = "Walks through a stack; see `multipool.watch.stacks`.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__stacks(void)
{
    return PyModuleDef_Init(&definition);
}
